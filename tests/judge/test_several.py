"""Several measurements that decide together, by a rule."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from bisector.judge.oracle import SymptomOracle
from bisector.judge.several import SeveralOracle
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Direction, Early, Metric, Rule
from bisector.model.verdict import Outcome, Symptom

SCORE = Metric(name="score", min_effect=0.02)
LOSS = Metric(name="val_loss", direction=Direction.MINIMIZE, min_effect=0.1)


def ended(score: float, val_loss: float) -> Evidence:
    curves = {"score": Curve((100,), (score,)), "val_loss": Curve((100,), (val_loss,))}
    return Evidence(Exit.CLEAN, curves)


BASELINE = [ended(0.9 + d, 0.4 - d) for d in (-0.001, 0.0, 0.001)]
ANY, ALL = (SeveralOracle.of([SymptomOracle(SCORE), SymptomOracle(LOSS)], rule) for rule in Rule)


@pytest.mark.parametrize(
    ("score", "val_loss", "by_any", "by_all"),
    [
        (0.9, 0.4, Outcome.HEALTHY, Outcome.HEALTHY),
        (0.7, 0.4, Outcome.BROKEN, Outcome.HEALTHY),
        (0.9, 0.9, Outcome.BROKEN, Outcome.HEALTHY),
        (0.7, 0.9, Outcome.BROKEN, Outcome.BROKEN),
        (0.95, 0.1, Outcome.HEALTHY, Outcome.HEALTHY),
    ],
)
def test_any_or_all_of_them_decide(score, val_loss, by_any, by_all) -> None:
    run = ended(score, val_loss)
    assert ANY.judge(run, BASELINE).outcome is by_any
    assert ALL.judge(run, BASELINE).outcome is by_all
    assert ALL.judge(run, BASELINE).score == score


def test_the_reason_names_each_measurement_that_is_worse() -> None:
    said = ALL.judge(ended(0.7, 0.9), BASELINE).because
    assert "score 0.7" in said
    assert "val_loss 0.9" in said
    assert "val_loss 0.9" in ANY.judge(ended(0.9, 0.9), BASELINE).because


def test_a_crash_and_a_lost_run_are_what_they_are_by_any_rule() -> None:
    crash = Evidence(Exit.CRASHED, log_tail="Traceback (most recent call last):\nKeyError: 1")
    for oracle in (ANY, ALL):
        verdict = oracle.judge(crash, BASELINE)
        assert verdict.outcome is Outcome.BROKEN
        assert verdict.because.count("crashed") == 1
        assert oracle.judge(Evidence(Exit.VANISHED), BASELINE).retry


def test_a_measurement_that_was_never_reported_is_named() -> None:
    run = Evidence(Exit.CLEAN, {"score": Curve((100,), (0.9,))})
    verdict = ANY.judge(run, ())
    assert verdict.signature is not None
    assert (verdict.signature.symptom, verdict.signature.detail) == (Symptom.NO_METRIC, "val_loss")


def test_a_run_is_stopped_once_what_is_known_settles_the_rule() -> None:
    diverging = Evidence(Exit.RUNNING, {"val_loss": Curve((10, 20), (1.0, nan))})
    assert ANY.glance(diverging, BASELINE) is not None
    only_theirs = Evidence(Exit.RUNNING, {"other": Curve((10,), (nan,))})
    third = SymptomOracle(replace(SCORE, name="other"))
    assert SeveralOracle.of([SymptomOracle(SCORE), third], Rule.ANY).glance(only_theirs, ())
    assert SeveralOracle.of([SymptomOracle(SCORE), third], Rule.ALL).glance(only_theirs, ()) is None


def test_more_measurements_raise_no_more_false_alarms() -> None:
    rng, alarms = np.random.default_rng(0), 0
    metrics = [replace(SCORE, name=f"m{i}") for i in range(4)]
    oracle = SeveralOracle.of([SymptomOracle(m, early=Early.NONE) for m in metrics], Rule.ANY)
    for _ in range(400):
        runs = [
            Evidence(
                Exit.CLEAN,
                {m.name: Curve((100,), (float(rng.normal(0.9, 0.01)),)) for m in metrics},
            )
            for _ in range(7)
        ]
        alarms += oracle.judge(runs[0], runs[1:]).outcome is Outcome.BROKEN
    assert alarms / 400 < 0.03
