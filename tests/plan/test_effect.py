"""How much worse, how sure, and how many seeds it takes."""

import numpy as np
import pytest

from bisector.model.experiment import Direction, Metric
from bisector.model.session import Judged
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.plan.effect import effect

METRIC = Metric(min_effect=0.02)


def runs(*scores: float | None) -> list[Judged]:
    trial = Trial(0, Arm(), 0, Purpose.BASELINE)
    return [Judged(trial, Verdict(Outcome.HEALTHY, 0.0, score=s), 1.0) for s in scores]


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
    seeds = found.seeds(0.95)
    assert 40 < seeds < 60
    drops = rng.normal(0, sd, (4000, seeds)).mean(1) - rng.normal(0, sd, (4000, seeds)).mean(1)
    assert np.mean(drops > 0.01) == pytest.approx(0.05, abs=0.015)
    assert np.mean(drops + 0.02 < 0.01) == pytest.approx(0.05, abs=0.015)
