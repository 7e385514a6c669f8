"""Every fault that only a run can show is the first finding; healthy trainings raise no alarm."""

from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest
import torch
from plain_recipe_faults import PLAIN_RECIPE_FAULTS
from recipe_seen import recipe_seen
from run_faults import FAULTS, SLIPS, by_hand
from run_gallery import diagnosed, looked, warned, watched
from stranger_seen import told
from stranger_seen import warned as of_all
from target_faults import HEALTHY_TARGETS

from bisector.checks.run_catalogue import RUN
from bisector.model.finding import Stage
from bisector.train.observing import Observing
from bisector.train.probes.settings import ProbeSettings

TWICE = {
    "never zeroed, cnn", "never zeroed, transformer", "other copy, cnn", "head alone, cnn",
    "detached, cnn", "made in forward, cnn", "dead, cnn", "rate / 10,000, cnn", "too short, cnn",
}  # fmt: skip
"""Faults of which another kind of training is tested every time."""


def each(faults: Any) -> Any:
    return [pytest.param(n, marks=pytest.mark.slow if n in TWICE else []) for n in faults]


@pytest.mark.parametrize("name", each(FAULTS))
def test_a_fault_is_the_first_finding(tmp_path: Path, name: str) -> None:
    check, kind, overrides, fault = FAULTS[name]
    diagnosis = diagnosed(watched(tmp_path, kind, *overrides, fault=fault))
    assert warned(diagnosis)[:1] == [check]
    assert diagnosis.findings[0].evidence


OFTEN = ("frozen reader, rnn", "nothing enters, mlp", "slow weights for ever, mlp", "half without graph, mlp")  # fmt: skip
SELDOM = [n for n in PLAIN_RECIPE_FAULTS if n not in OFTEN]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in SELDOM)) for n in PLAIN_RECIPE_FAULTS],
)
def test_the_reason_of_a_plain_fault_is_named_first(tmp_path: Path, name: str) -> None:
    reasons, kind, overrides, fault = PLAIN_RECIPE_FAULTS[name]
    for folder in ("broken", "healthy"):
        (tmp_path / folder).mkdir()
    broken = recipe_seen(tmp_path / "broken", kind, overrides, fault)
    said = of_all(told(broken, recipe_seen(tmp_path / "healthy", kind, [], None)))
    assert said[0].rstrip(ascii_lowercase) in reasons.split()


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY_TARGETS)
def test_a_recipe_of_other_settings_raises_no_alarm(tmp_path: Path, name: str) -> None:
    kind, overrides = HEALTHY_TARGETS[name]
    assert of_all(told(recipe_seen(tmp_path, kind, overrides, None))) == []


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_a_function_is_the_first_finding(tmp_path: Path, slip: str) -> None:
    torch.manual_seed(0)
    run = Observing(tmp_path, 0, ProbeSettings())
    by_hand(run, slip)
    run.close()
    assert warned(diagnosed(looked(tmp_path)))[:1] == [SLIPS[slip]]


def test_a_function_without_a_slip_raises_no_alarm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = Observing(tmp_path, 0, ProbeSettings())
    by_hand(run)
    run.close()
    assert warned(diagnosed(looked(tmp_path))) == []


HEALTHY = {
    "cnn": ("cnn", []),
    "cnn with batch norm and dropout": ("cnn", ["model.batch_norm=true", "model.dropout=0.1"]),
    "mlp": ("mlp", []),
    "rnn": ("rnn", []),
    "transformer": ("transformer", []),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if " " in n or n[0] == "t" else []) for n in HEALTHY]
)  # fmt: skip
def test_a_healthy_training_raises_no_alarm(tmp_path: Path, name: str) -> None:
    kind, overrides = HEALTHY[name]
    assert warned(diagnosed(watched(tmp_path, kind, *overrides))) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cnn", "mlp", "rnn"])
@pytest.mark.parametrize("seed", range(1, 34))
def test_of_a_hundred_healthy_runs_none_raises_an_alarm(
    tmp_path: Path, kind: str, seed: int
) -> None:
    assert warned(diagnosed(watched(tmp_path, kind, seed=seed))) == []


def test_what_was_not_watched_is_said_to_lack_that(tmp_path: Path) -> None:
    diagnosis = diagnosed(looked(tmp_path))
    assert diagnosis.findings == ()
    assert {u.check for u in diagnosis.unlooked} == {c.id for c in RUN}
    assert all(c.stage is Stage.RUN for c in RUN)
