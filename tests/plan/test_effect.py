"""How much worse, how sure, and how many seeds it takes."""

import numpy as np
import pytest

from bisector.model.experiment import Direction, Metric
from bisector.model.session import Judged
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.plan.effect import effect, seeds_needed

METRIC = Metric(min_effect=0.02)


def runs(*scores: float | None) -> list[Judged]:
    trials = [Trial(i, Arm(), i, Purpose.BASELINE) for i in range(len(scores))]
    verdicts = [Verdict(Outcome.HEALTHY, 0.0, score=s) for s in scores]
    return [Judged(t, v, 1.0) for t, v in zip(trials, verdicts, strict=True)]


def test_harm_follows_the_direction_of_the_metric() -> None:
    up = effect(METRIC, runs(0.9, 0.9), runs(0.8, 0.8), 0.99)
    down = effect(Metric(direction=Direction.MINIMIZE), runs(0.9, 0.9), runs(0.8, 0.8), 0.99)
    assert up is not None
    assert down is not None
    assert up.harm == pytest.approx(0.1)
    assert down.harm == pytest.approx(-0.1)
    assert up.low < up.harm < up.high


def test_runs_without_a_score_do_not_count() -> None:
    found = effect(METRIC, runs(0.9, None), runs(0.8), 0.99)
    assert found is not None
    assert found.harm == pytest.approx(0.1)
    assert effect(METRIC, runs(None), runs(0.8), 0.99) is None
    assert effect(Metric(min_effect=0.0), runs(0.9), runs(0.8), 0.99) is None


@pytest.mark.parametrize("times", [1, 3])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(times: int) -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1500):
        a, b = rng.normal(0.9, times * METRIC.expected_sd, (2, 5))
        found = effect(METRIC, runs(*a), runs(*b - 0.03), 0.9)
        assert found is not None
        hits += found.low <= 0.03 <= found.high
    assert hits / 1500 == pytest.approx(0.9, abs=0.04)


def test_that_many_seeds_do_tell_the_smallest_effect_from_none() -> None:
    rng, sd = np.random.default_rng(1), 0.03
    found = effect(METRIC, runs(*rng.normal(0.9, sd, 400)), runs(*rng.normal(0.9, sd, 400)), 0.95)
    assert found is not None
    seeds = seeds_needed(found, 0.95)
    assert 40 < seeds < 60
    drops = rng.normal(0, sd, (4000, seeds)).mean(1) - rng.normal(0, sd, (4000, seeds)).mean(1)
    assert np.mean(drops > 0.01) == pytest.approx(0.05, abs=0.015)
    assert np.mean(drops + 0.02 < 0.01) == pytest.approx(0.05, abs=0.015)


def paired(
    rng: np.random.Generator, correlation: float, count: int
) -> tuple[list[Judged], list[Judged]]:
    shared, one, two = rng.normal(size=(3, count))
    a, b = (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * z for z in (one, two))
    return runs(*(0.9 + 0.005 * a)), runs(*(0.87 + 0.005 * b))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_what_seeds_share_narrows_the_interval_and_never_breaks_its_promise(
    correlation: float,
) -> None:
    rng, hits, widths = np.random.default_rng(2), 0, []
    for _ in range(800):
        found = effect(METRIC, *paired(rng, correlation, 6), 0.95)
        assert found is not None
        hits += found.low <= 0.03 <= found.high
        widths.append(found.high - found.low)
    assert hits / 800 > 0.92
    if correlation == 0.9:
        assert np.mean(widths) < 0.8 * 2 * 2.2 * 0.005 * np.sqrt(2 / 6)


def test_the_order_in_which_runs_ended_pairs_nobody() -> None:
    rng = np.random.default_rng(3)
    baseline, arm = paired(rng, 0.95, 8)
    once, again = effect(METRIC, baseline, arm, 0.99), effect(METRIC, baseline, arm[::-1], 0.99)
    assert once == again
    assert once is not None
    assert once.correlation > 0.3
