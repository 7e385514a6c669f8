"""Whole searches whose reason only further runs can show: what they try, and what they say of it."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def reasons(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *settings: str
) -> list[dict[str, Any]]:
    """What a search under further settings gives as reasons, proved ones first."""
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    from fault_searches import SEARCHES, named_by_search

    named_by_search(folder, replace(SEARCHES[name], baseline=settings))
    lines = (folder / "out" / "planted" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    told = [event for event in map(json.loads, lines) if event["event"] == "Explained"]
    found: list[dict[str, Any]] = told[-1]["reasons"]
    return found


@pytest.mark.slow
def test_what_was_ended_too_early_is_proved_by_going_on_with_it(tmp_path, monkeypatch) -> None:
    settings = "judge.min_effect=0.08"
    first, *_ = reasons(tmp_path, monkeypatch, "ended after an epoch", settings)
    assert (first["status"], first["finding"]["check"]) == ("proved", "R31")
    assert "train twice as long (going on from run " in first["because"]


@pytest.mark.slow
def test_what_ends_before_the_baseline_is_proved_by_as_many_steps(tmp_path, monkeypatch) -> None:
    first, *_ = reasons(tmp_path, monkeypatch, "an eighth of an epoch")
    assert (first["status"], first["finding"]["check"]) == ("proved", "R31b")
    assert first["mend"] == ["++recipe.trainer.alter.updates=220"]


@pytest.mark.slow
def test_what_no_finding_mends_gets_a_mend_whose_reason_is_not_known(tmp_path, monkeypatch) -> None:
    blind = "checks.thresholds.R31b.share=0.0"
    first, *others = reasons(tmp_path, monkeypatch, "ended at half of its time", blind)
    assert (first["status"], first["finding"]["title"]) == ("proved", "a mend that works")
    assert first["mend"] == ["++recipe.trainer.epochs=9.45"]
    assert {r["status"] for r in others} <= {"refuted"}


@pytest.mark.slow
def test_a_change_that_does_not_go_with_the_culprit_is_passed_over(tmp_path, monkeypatch) -> None:
    partly = "variants.standard-loss=[recipe.loss.label_smoothing=0.0]"
    first, *_ = reasons(tmp_path, monkeypatch, "scores for a loss of logarithms", partly)
    assert first["finding"]["reason"] in ("R19", "R18")
    assert (first["status"], first["mend"]) == ("suspected", [])
    journal = (tmp_path / "out" / "planted" / "journal.jsonl").read_text(encoding="utf-8")
    assert "it cannot be made: " in journal
    assert json.loads(journal.splitlines()[-1])["event"] == "Concluded"


@pytest.mark.slow
def test_a_loss_that_took_the_place_of_the_recipe_s_is_proved_by_the_standard_one(
    tmp_path, monkeypatch
) -> None:
    first, *_ = reasons(tmp_path, monkeypatch, "scores for a loss of logarithms")
    assert first["finding"]["reason"] in ("R19", "R18")
    assert (first["status"], first["mend"]) == ("proved", ["++recipe.trainer.alter.loss=true"])
