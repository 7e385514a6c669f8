"""The deciding metric itself as evidence: how far a run fell says more than that it fell.

The scores of healthy runs, and those of broken ones, are normal with a mean and a spread
that nobody knows; both are integrated out (normal-inverse-gamma), for every family anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, log_ndtr, ndtr

from bisector.model.experiment import Metric
from bisector.plan.likelihood import Floats, Grid, Slip, Sums
from bisector.plan.observations import Run, Subset

STEP = 12.0
"""Scores count in twelfths of the baseline's standard deviation, so that sums are exact."""
BETTER, WORSE = -1.0, 6.0
"""Where scores are held, in standard deviations of harm: beyond, they say no more."""
SHAPE = 2.0
"""Of the inverse gamma: half the runs that the expected spread is worth."""
LEAST_BASELINE = 3
"""Baseline runs with a score from which the spread of healthy runs is known well enough."""
PRIOR_RUNS = 2.0
"""Runs that the expected spread is worth."""
OVERLAP = 8.0
"""Distance of broken from healthy, in standard deviations, beyond which pass/fail says it all."""
CRASH_BROKEN, CRASH_HEALTHY = (1.0, 1.0), (1.0, 19.0)
"""Beta priors of the chance that a run leaves no score: it crashed, or was stopped."""


@dataclass(frozen=True)
class Normal:
    """A normal-inverse-gamma prior of scores, in standard deviations of harm."""

    centre: float
    sure: float
    """Runs that the centre is worth."""
    spread: float
    """Expected standard deviation."""
    least: float = -np.inf
    """The mean lies above this: a cloud on top of the healthy one is no cloud of broken runs."""

    def log(self, count: Floats, total: Floats, square: Floats) -> Floats:
        """Log marginal density of runs with these sums of 1, z and z squared."""
        sure = self.sure + count
        mean = (self.sure * self.centre + total) / sure
        scatter = square + self.sure * self.centre**2 - sure * mean**2
        shape, rate = SHAPE + count / 2, SHAPE * self.spread**2 + np.maximum(scatter, 0.0) / 2
        value = gammaln(shape) - gammaln(SHAPE) - shape * np.log(rate)
        value += SHAPE * np.log(SHAPE * self.spread**2)
        value += (np.log(self.sure / sure) - count * np.log(2 * np.pi)) / 2
        if np.isfinite(self.least):
            # The share of the mean's posterior that lies above, over that of its prior.
            value += log_ndtr((mean - self.least) * np.sqrt(sure * shape / rate))
            value -= log_ndtr((self.centre - self.least) * np.sqrt(self.sure) / self.spread)
        return np.asarray(value, dtype=np.float64)


@dataclass(frozen=True)
class ByMetric:
    """Runs by their scores; those that left none by how often that happens."""

    z: Floats
    """Harm of each run in baseline standard deviations, 0 where there is no score; (runs,)."""
    scored: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    slip: Slip
    healthy: Normal
    broken: Normal

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Columns: scored, z in steps, its square, no score."""
        steps = np.rint(self.z * STEP)
        return np.stack([self.scored, steps, steps**2, ~self.scored], axis=1).astype(np.float32)

    def log(self, sums: Sums) -> Floats:
        return np.asarray(self._raw(sums) - self._offset, dtype=np.float64)

    def rates(self, sums: Sums) -> tuple[Floats, Floats]:
        apart = self.broken.centre / max(1.0, self.broken.spread)
        slip = float(ndtr(-apart / 2)) / 2 + 0.01
        return np.full(sums.shape[1], 1 - slip), np.full(sums.shape[1], slip)

    @cached_property
    def grid(self) -> Grid:
        """The clouds as pass and fail have them, and the slip at a few settings."""
        a, b, weight = self.slip.settings.T
        likelier = self._clouds[:, None]
        broken = np.logaddexp(np.log(1 - b / 2) + likelier, np.log(b / 2))
        healthy = np.logaddexp(np.log(1 - a / 2), np.log(a / 2) + likelier)
        slips = np.stack([a, b], axis=1)
        return Grid(broken - healthy, healthy.sum(axis=0), np.log(weight), slips)

    def best(self) -> float:
        return float(self.log(self.features[self.failed].sum(axis=0)[:, None])[0])

    def _raw(self, sums: Sums) -> Floats:
        whole = self.features.sum(axis=0)[:, None]
        value = np.zeros(sums.shape[1])
        for part, cloud, crash in (
            (sums, self.broken, CRASH_BROKEN),
            (whole - sums, self.healthy, CRASH_HEALTHY),
        ):
            count, total, square, none = part.astype(np.float64)
            value += cloud.log(count, total / STEP, square / STEP**2)
            value += betaln(crash[0] + none, crash[1] + count) - betaln(*crash)
        return value

    @cached_property
    def _offset(self) -> float:
        """What brings families and `grid` to one scale: both say the same of pass and fail."""
        failed = self.features[self.failed].sum(axis=0)[:, None]
        certain = np.asarray(self.failed, dtype=np.float64)[None]
        grid = np.logaddexp.reduce(self.grid.log(certain), axis=1)
        return float(self._raw(failed)[0] - grid[0])

    @cached_property
    def _clouds(self) -> Floats:
        """Log density of each run if broken over that if healthy, as pass and fail have it."""
        ratio = np.where(self.failed, np.log(50.0), -np.log(50.0))
        sides = []
        for side, cloud in ((self.failed, self.broken), (~self.failed, self.healthy)):
            count, total, square, _ = self.features[side].sum(axis=0).astype(np.float64)
            now = cloud.log(np.array(count), np.array(total / STEP), np.array(square / STEP**2))
            z = self.z[self.scored]
            more = cloud.log(count + np.ones(len(z)), total / STEP + z, square / STEP**2 + z**2)
            sides.append(more - now)
        ratio[self.scored] = sides[0] - sides[1]
        return np.asarray(ratio, dtype=np.float64)


def by_metric(runs: Sequence[Run], full: Subset, metric: Metric, slip: Slip) -> ByMetric | None:
    """The likelihood of these runs; None where pass/fail says as much, or too few have a score."""
    scored = np.array([run.score is not None for run in runs], dtype=np.bool_)
    harm = np.array([0.0 if r.score is None else metric.harm(r.score, 0.0) for r in runs])
    failed = np.array([run.failed for run in runs], dtype=np.bool_)
    baseline = scored & ~failed & np.array([not run.subset for run in runs], dtype=np.bool_)
    whole = scored & failed & np.array([run.subset == full for run in runs], dtype=np.bool_)
    if baseline.sum() < LEAST_BASELINE or not whole.any():
        return None
    passed = harm[scored & ~failed]
    square = PRIOR_RUNS * metric.expected_sd**2 + float(((passed - passed.mean()) ** 2).sum())
    unit = np.sqrt(square / (PRIOR_RUNS + len(passed) - 1))
    z = np.where(scored, (harm - harm[baseline].mean()) / unit, 0.0)
    apart = float(z[whole].mean())
    if not 1.0 < apart < OVERLAP:
        return None
    held = np.clip(z, BETTER, max(WORSE, apart))
    healthy, broken = Normal(0.0, 3.0, 1.0), Normal(apart, 1.0, 1.2, least=apart / 2)
    return ByMetric(held, scored, failed, slip, healthy, broken)
