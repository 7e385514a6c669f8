"""A search that looks, by real processes: the other runs are the same bits, and the verdict says why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONF = """\
defaults: [bisect_schema, recipe: tabular, launcher: local, planner: adaptive, _self_]
metrics: {loss: loss, val_loss: val_loss, score: val_acc}
judge: {min_effect: 0.05}
budget: {confidence: 0.9, repeats: 2, confirm: 1, trials: 3}
lr: {key: recipe.optimizer.lr}
workload: {_target_: bisector.workload.recipe.RecipeWorkload}
launcher: {slots: 1, gpus: none}
mlflow: {enabled: false}
recipe: {trainer: {steps: 40, epochs: null}}
additions:
  dropout: {kind: regularisation, overrides: [recipe.model.dropout=0.1]}
  still: {kind: other, overrides: [recipe.optimizer.lr=0]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "x.yaml").write_text(CONF)
    return tmp_path


def bisect(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bisector", *words]
    return subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=240
    )


def curves(home: Path) -> dict[str, list[object]]:
    """What every run measured, by its arm and seed; times of day left out."""
    events = [json.loads(line) for line in (home / "journal.jsonl").read_text().splitlines()]
    trials = [e["trial"] for e in events if e["event"] == "Launched"]
    found: dict[str, list[object]] = {}
    for trial in (t for t in trials if t["arm"]["trained"]):
        rows = (home / f"runs/{trial['number']:03d}/metrics.jsonl").read_text().splitlines()
        values = [{k: v for k, v in json.loads(r).items() if k != "at"} for r in rows]
        found[f"{trial['arm']} {trial['seed']}"] = values
    return found


def test_a_search_that_looks_trains_the_same_bits_as_one_that_does_not(folder: Path) -> None:
    on = bisect(folder, "run", "conf=x", "name=on", "--plain")
    off = bisect(folder, "run", "conf=x", "name=off", "inspect.enabled=false", "--plain")
    assert on.returncode == off.returncode == 1, on.stderr + off.stderr
    assert "checks of baseline" in on.stdout
    assert "checks of" not in off.stdout
    seen = curves(folder / "out/on")
    assert len(seen) == 3
    assert seen == curves(folder / "out/off")


@pytest.mark.slow
def test_the_verdict_on_a_culprit_says_why_with_the_mend_that_was_proved(folder: Path) -> None:
    done = bisect(folder, "run", "conf=x", "budget.trials=60", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["culprits"] == [["still"]]
    (why,) = told["why"]
    assert why["additions"] == ["still"]
    assert why["reasons"], "a learning rate of 0 is seen"
    assert bisect(folder, "log", "conf=x").stdout.count("why still fails") == 1
    page = (folder / "out/x/report.html").read_text()
    assert "Why <code>still</code> alone does not train" in page


@pytest.mark.slow
def test_the_ladder_is_climbed_to_the_first_rung_that_breaks(folder: Path) -> None:
    fine = bisect(folder, "ladder", "conf=x", "budget.trials=20", "recipe.trainer.steps=300")
    assert fine.returncode == 0, fine.stderr
    assert "Every rung trains, from 2 samples" in fine.stdout
    still = bisect(folder, "ladder", "conf=x", "budget.trials=20", "--on", "still", "--plain")
    assert "The first rung that breaks is 2 samples" in still.stdout
    refused = bisect(folder, "ladder", "conf=x", "--on", "stil")
    assert refused.returncode == 2
    assert "still" in refused.stderr
