"""What the baseline's repeats say of healthy runs."""

import numpy as np
import pytest

from bisector.judge.noise import Prior, learn, of_ended_runs, sampling_floor
from bisector.judge.oracle import SymptomOracle
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Direction, Metric
from bisector.model.verdict import Outcome

METRIC = Metric(name="score", min_effect=0.02)
PRIOR = of_ended_runs(METRIC)


def ended(score: float, **facts: float) -> Evidence:
    return Evidence(Exit.CLEAN, {"score": Curve((100,), (score,))}, facts)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("repeats", [2, 3, 6, 10])
def test_hardly_any_healthy_run_is_called_broken(times: int, repeats: int) -> None:
    rng = np.random.default_rng(repeats)
    alarms = []
    for _ in range(1500):
        draws = rng.normal(0.9, times * METRIC.expected_sd, repeats + 8)
        noise = learn(draws[:repeats].tolist(), METRIC, PRIOR, 0.01)
        assert noise is not None
        alarms.append(noise.mean - draws[repeats:] > noise.line)
    assert np.mean(alarms) < 0.025
    assert np.any(alarms, axis=1).mean() < 0.12


def test_a_repeat_that_went_wrong_is_left_out_if_the_others_agree() -> None:
    noise = learn([0.95, 0.951, 0.949, 0.952, 0.948, 0.1], METRIC, PRIOR)
    assert noise is not None
    assert noise.mean == pytest.approx(0.95)
    assert noise.repeats == 5
    assert noise.line < 0.03


def test_among_few_repeats_nobody_can_tell_an_outlier_from_a_wide_spread() -> None:
    noise = learn([0.95, 0.951, 0.1], METRIC, PRIOR)
    assert noise is not None
    assert noise.repeats == 3
    assert noise.line > 0.5


def test_two_repeats_that_went_wrong_do_not_hide_behind_each_other() -> None:
    noise = learn([0.95, 0.951, 0.949, 0.952, 0.948, 0.95, 0.1, 0.15], METRIC, PRIOR)
    assert noise is not None
    assert noise.repeats == 6


def test_the_effect_may_be_asked_for_in_standard_deviations_of_single_runs() -> None:
    metric = Metric(min_effect=0.0, min_effect_sd=20.0)
    values = [0.90, 0.91, 0.92, 0.93, 0.94]
    noise = learn(values, metric, of_ended_runs(metric))
    assert noise is not None
    assert noise.sd == pytest.approx(np.std(values, ddof=1))
    assert noise.line == pytest.approx(20 * noise.sd)


def test_with_nothing_to_expect_one_repeat_says_nothing_and_equal_ones_say_zero() -> None:
    nothing = Prior(0.0, 0.0)
    assert learn([], METRIC, PRIOR) is None
    assert learn([0.9], METRIC, nothing) is None
    equal = learn([0.9, 0.9], METRIC, nothing)
    assert equal is not None
    assert equal.p_broken(0.8) > 0.999
    assert equal.p_broken(0.95) < 0.001


def test_an_accuracy_spreads_at_least_as_far_as_its_validation_set_is_small() -> None:
    assert sampling_floor([0.9, 0.9], METRIC, 50) == pytest.approx(0.0316, abs=1e-4)
    assert sampling_floor([0.9], METRIC, 0) == 0
    assert sampling_floor([1.5], METRIC, 50) == 0
    assert sampling_floor([0.1], Metric(direction=Direction.MINIMIZE), 50) == 0


def test_a_small_validation_set_raises_the_line() -> None:
    oracle, score = SymptomOracle(METRIC), 0.87
    sure = [ended(s, n_val=10_000) for s in (0.9, 0.9, 0.9)]
    unsure = [ended(s, n_val=50) for s in (0.9, 0.9, 0.9)]
    assert oracle.judge(ended(score), sure).outcome is Outcome.BROKEN
    assert oracle.judge(ended(score), unsure).outcome is Outcome.HEALTHY


def test_less_harm_than_is_worth_a_verdict_is_told_with_its_interval() -> None:
    verdict = SymptomOracle(METRIC).judge(ended(0.89), [ended(s) for s in (0.9, 0.901, 0.899)])
    assert verdict.outcome is Outcome.HEALTHY
    assert "worse by 0.01 +-" in verdict.because
    assert "no effect worth acting on" in verdict.because
