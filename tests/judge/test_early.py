"""Runs that are still going: who is stopped, and above all who is not."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisector.judge.oracle import SymptomOracle
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Direction, Metric
from bisector.model.verdict import Outcome, Symptom, Verdict

STEPS = 1000
METRIC = Metric(name="score", min_effect=0.02)
ORACLE = SymptomOracle(METRIC)


def curve(level, readings: int = 20, seed: int = 0, noise: float = 0.004) -> Curve:
    """`level(share of the run)` at evenly spaced steps, with a little noise."""
    rng = np.random.default_rng(seed)
    shares = [(i + 1) / readings for i in range(readings)]
    return Curve(
        tuple(round(s * STEPS) for s in shares),
        tuple(float(level(s) + noise * rng.normal()) for s in shares),
    )


def usual(share: float) -> float:
    return 0.95 - 0.85 * float(np.exp(-share / 0.06))


def chance(share: float) -> float:
    return 0.1


def run(score: Curve | None, **more: Curve) -> Evidence:
    curves = {"score": score, **more} if score else dict(more)
    return Evidence(Exit.RUNNING, curves, {"planned_steps": STEPS})


def until(evidence: Evidence, step: int) -> Evidence:
    shorter = {
        name: Curve(c.steps[:n], c.values[:n])
        for name, c in evidence.curves.items()
        if (n := sum(s <= step for s in c.steps))
    }
    return replace(evidence, curves=shorter)


def stopped(evidence: Evidence, baseline, oracle: SymptomOracle = ORACLE) -> Verdict | None:
    """The first verdict, if somebody looks after every reading."""
    steps = sorted({s for c in evidence.curves.values() for s in c.steps})
    looks = (oracle.glance(until(evidence, s), baseline) for s in steps if s < STEPS)
    return next((v for v in looks if v), None)


BASELINE = tuple(run(curve(usual, seed=s)) for s in (1, 2, 3))


def test_a_run_that_learns_nothing_is_stopped_early_and_what_that_saves_is_told() -> None:
    verdict = stopped(run(curve(chance)), BASELINE)
    assert verdict is not None
    assert (verdict.outcome, verdict.early) == (Outcome.BROKEN, True)
    assert verdict.signature is not None
    assert verdict.signature.symptom is Symptom.WORSE
    assert verdict.steps <= 0.4 * verdict.planned
    assert verdict.p_broken > 0.99
    assert "step 300, baseline" in verdict.because


def test_a_run_that_falls_back_is_stopped_soon_after() -> None:
    verdict = stopped(run(curve(lambda s: usual(s) if s < 0.5 else 0.1)), BASELINE)
    assert verdict is not None
    assert 500 <= verdict.steps <= 650


@pytest.mark.parametrize(
    "level",
    [
        usual,
        lambda s: usual(s / 2),
        lambda s: usual(s / 3),
        lambda s: usual(max(0.0, s - 0.15)),
        lambda s: usual(s) - 0.015,
        lambda s: usual(s) - 0.1 * (s < 0.7),
        lambda s: usual(s) + 0.03,
    ],
    ids=["usual", "half as fast", "a third as fast", "late", "a bit worse", "lower at first", "better"],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(5))
def test_a_run_that_may_still_catch_up_is_left_alone(level, seed: int) -> None:
    assert stopped(run(curve(level, seed=seed)), BASELINE) is None


def test_a_slow_run_that_keeps_improving_is_left_alone_however_far_behind_it_is() -> None:
    assert stopped(run(curve(lambda s: 0.1 + 0.85 * s)), BASELINE) is None


def test_nobody_is_stopped_before_the_baseline_itself_has_learned() -> None:
    late = tuple(run(curve(lambda s: usual(max(0.0, s - 0.6)), seed=s)) for s in (1, 2, 3))
    assert stopped(run(curve(chance)), late) is None


def test_a_metric_to_be_minimised_is_judged_the_other_way_round() -> None:
    oracle = SymptomOracle(replace(METRIC, direction=Direction.MINIMIZE))
    baseline = tuple(run(curve(lambda s: 1 - usual(s), seed=s)) for s in (1, 2, 3))
    assert stopped(run(curve(lambda s: 0.9)), baseline, oracle)
    assert stopped(run(curve(lambda s: 1 - usual(s / 2))), baseline, oracle) is None
    assert stopped(run(curve(lambda s: 0.0)), baseline, oracle) is None


def test_infinite_patience_stops_only_what_is_not_finite() -> None:
    oracle = SymptomOracle(METRIC, patience=inf)
    assert stopped(run(curve(chance)), BASELINE, oracle) is None
    broken = run(curve(chance), loss=Curve((10, 20), (1.0, nan)))
    verdict = stopped(broken, BASELINE, oracle)
    assert verdict is not None
    assert verdict.steps == 20


def test_the_baseline_itself_is_held_to_nothing() -> None:
    assert stopped(run(curve(chance)), ()) is None


def test_a_longer_run_may_take_proportionately_longer() -> None:
    def twice(c: Curve) -> Curve:
        return Curve(tuple(2 * s for s in c.steps), c.values)

    facts = {"planned_steps": 2 * STEPS}
    slow = replace(run(twice(curve(lambda s: usual(s / 2.5)))), facts=facts)
    lost = replace(run(twice(curve(chance))), facts=facts)
    assert stopped(slow, BASELINE) is None
    verdict = stopped(lost, BASELINE)
    assert verdict is not None
    assert 500 <= verdict.steps <= 800


def only_at_the_end(loss: Curve, score: float = 0.95) -> Evidence:
    return run(Curve((STEPS,), (score,)), loss=loss)


def test_where_the_metric_comes_only_at_the_end_a_diverging_loss_is_enough() -> None:
    baseline = [only_at_the_end(curve(lambda s: 2.5 - 2 * usual(s), seed=s)) for s in (1, 2, 3)]
    climbing = run(None, loss=curve(lambda s: 2.3 + 10 * s))
    verdict = stopped(climbing, baseline)
    assert verdict is not None
    assert verdict.signature is not None
    assert verdict.signature.symptom is Symptom.DIVERGED
    assert "times that at the start" in verdict.because


@pytest.mark.parametrize("level", [lambda s: 2.3 - s, lambda s: 30 - 2 * s, lambda s: -1 - s])
def test_another_scale_or_floor_of_the_loss_is_no_failure(level) -> None:
    baseline = [only_at_the_end(curve(lambda s: 2.5 - 2 * usual(s), seed=s)) for s in (1, 2, 3)]
    assert stopped(run(None, loss=curve(level)), baseline) is None


def test_curves_whose_steps_begin_anew_every_epoch_stop_nobody() -> None:
    jumbled = Curve((1, 2, 1, 2), (0.1, 0.1, 0.1, 0.1))
    assert ORACLE.glance(run(jumbled), BASELINE) is None
    assert ORACLE.glance(run(curve(chance)), [run(jumbled)] * 3) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0.1, 0.95), st.sampled_from([8, 20, 120]))
def test_looking_more_often_changes_no_verdict(
    seed: int, falls_at: float, top: float, readings: int
) -> None:
    baseline = [run(curve(usual, readings, s)) for s in (1, 2, 3)]
    whole = run(curve(lambda s: min(top, usual(s)) if s < falls_at else 0.1, readings, seed, 0.05))
    at_once, step_by_step = (
        ORACLE.glance(until(whole, STEPS - 1), baseline),
        stopped(whole, baseline),
    )
    assert (at_once is None) == (step_by_step is None)
    if at_once and step_by_step:
        assert at_once.because == step_by_step.because


def test_of_many_healthy_runs_with_early_noise_none_is_stopped() -> None:
    def noisy(seed: int, slower: float) -> Curve:
        rng = np.random.default_rng(seed)
        pace = float(np.exp(0.2 * rng.normal())) * slower
        early = curve(lambda s: float(np.exp(-s / 0.15)) * 0.06 * rng.normal(), 20, seed, 0.0)
        calm = curve(lambda s: usual(s / pace), 20, seed)
        return Curve(
            calm.steps, tuple(a + b for a, b in zip(calm.values, early.values, strict=True))
        )

    for seed in range(60):
        baseline = [run(noisy(1000 + 3 * seed + k, 1.0)) for k in range(3)]
        for slower in (0.7, 1.0, 2.0, 3.0):
            assert stopped(run(noisy(seed, slower)), baseline) is None
