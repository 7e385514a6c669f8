"""Runs that are passed before their end, because they do as well as the baseline."""

from dataclasses import replace

import numpy as np
import pytest

from bisector.judge.oracle import SymptomOracle
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Direction, Early, Metric
from bisector.model.verdict import Outcome, Verdict

STEPS = 1000
METRIC = Metric(name="score", min_effect=0.04)
BOTH = SymptomOracle(METRIC, early=Early.BOTH)


def run(level, seed: int = 0, readings: int = 20, noise: float = 0.003) -> Evidence:
    rng = np.random.default_rng(seed)
    shares = [(i + 1) / readings for i in range(readings)]
    values = tuple(float(level(s) + noise * rng.normal()) for s in shares)
    steps = tuple(round(s * STEPS) for s in shares)
    return Evidence(Exit.RUNNING, {"score": Curve(steps, values)}, {"planned_steps": STEPS})


def usual(share: float) -> float:
    return 0.95 - 0.85 * float(np.exp(-share / 0.1))


BASELINE = tuple(run(usual, seed=s) for s in (1, 2, 3))


def first(evidence: Evidence, baseline=BASELINE, oracle: SymptomOracle = BOTH) -> Verdict | None:
    """The first verdict of somebody who looks after every reading before the last."""
    curve = evidence.curves["score"]
    for n in range(1, len(curve.steps)):
        seen = {"score": Curve(curve.steps[:n], curve.values[:n])}
        if verdict := oracle.glance(replace(evidence, curves=seen), baseline):
            return verdict
    return None


def test_a_run_that_does_as_well_is_passed_with_the_end_that_is_expected_of_it() -> None:
    verdict = first(run(usual, seed=9))
    assert verdict is not None
    assert (verdict.outcome, verdict.early) == (Outcome.HEALTHY, True)
    assert verdict.p_broken <= 0.005
    assert verdict.score == pytest.approx(0.95, abs=0.01)
    assert (verdict.steps, verdict.planned) == (600, STEPS)
    assert "expected at the end" in verdict.because


@pytest.mark.parametrize("early", [Early.BROKEN, Early.NONE])
def test_nobody_is_passed_unless_that_was_asked_for(early: Early) -> None:
    assert first(run(usual, seed=9), oracle=SymptomOracle(METRIC, early=early)) is None


def test_none_stops_no_run_that_learns_nothing() -> None:
    never = run(lambda s: 0.1)
    assert first(never, oracle=SymptomOracle(METRIC, early=Early.NONE)) is None
    stopped = first(never)
    assert stopped is not None
    assert stopped.outcome is Outcome.BROKEN


@pytest.mark.parametrize(
    "level",
    [lambda s: usual(s) - 0.05, lambda s: 0.1 + 0.8 * s, lambda s: usual(s) - 0.2 * max(0, s - 0.5)],
    ids=["worse", "still far", "falling"],
)  # fmt: skip
def test_a_run_that_is_behind_is_not_passed(level) -> None:
    verdict = first(run(level))
    assert verdict is None or verdict.outcome is Outcome.BROKEN


def test_a_metric_to_be_minimised_is_passed_when_it_is_low() -> None:
    oracle = SymptomOracle(replace(METRIC, direction=Direction.MINIMIZE), early=Early.BOTH)
    baseline = tuple(run(lambda s: 1 - usual(s), seed=s) for s in (1, 2, 3))
    passed = first(run(lambda s: 0.995 - usual(s), seed=9), baseline, oracle)
    assert passed is not None
    assert passed.outcome is Outcome.HEALTHY
    behind = first(run(lambda s: 1.06 - usual(s), seed=9), baseline, oracle)
    assert behind is None or behind.outcome is Outcome.BROKEN


def test_two_baseline_runs_foretell_nothing() -> None:
    assert first(run(usual, seed=9), BASELINE[:2]) is None


def test_hardly_a_run_near_the_line_is_passed_and_broken_at_its_end() -> None:
    """Runs that end between half and twice the smallest effect lower, with noise that lasts."""
    wrong = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        drop = float(rng.uniform(0.02, 0.08))
        baseline = tuple(run(usual, 1000 + 3 * seed + k, noise=0.006) for k in range(3))
        whole = run(lambda s, d=drop: usual(s) - d, seed, noise=0.006)
        verdict = first(whole, baseline)
        if verdict and verdict.outcome is Outcome.HEALTHY:
            end = BOTH.judge(replace(whole, exit=Exit.CLEAN), baseline)
            wrong += end.outcome is Outcome.BROKEN
    assert wrong <= 3
