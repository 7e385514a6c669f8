"""How far apart healthy runs lie, learned from the baseline's own repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median

from scipy.special import stdtr, stdtrit

from bisector.model.experiment import Direction, Metric

ROBUST_FROM = 5
"""Repeats from which an outlier can be told from a wide spread."""

OUTLIERS = 0.25
"""Largest share of the repeats that may be outliers."""

OUTLYING = 0.001
"""Chance that a healthy repeat is taken for an outlier."""


@dataclass(frozen=True, slots=True)
class Prior:
    """How far apart healthy runs are expected to lie; it matters only while repeats are few."""

    sd: float
    """In units of the metric; 0: nothing is expected."""
    runs: float
    """How many runs the expectation weighs."""
    floor: float = 0.0
    """A spread that they have at the least."""


def of_ended_runs(metric: Metric, floor: float = 0.0) -> Prior:
    """What is expected of runs that have ended.

    With a weight of 2 runs, three repeats with thrice this spread had 2.6 % false alarms where
    0.8 % were allowed; with 1, 1.5 % (`scripts/bench_judge.py`).
    """
    return Prior(max(floor, metric.expected_sd), 1.0, floor)


@dataclass(frozen=True, slots=True)
class Noise:
    """Predictive distribution of one further healthy run: Student t.

    From a normal likelihood with the mean unknown and a scaled inverse chi-squared prior
    on the variance (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.3).
    """

    mean: float
    """In units of the metric."""
    sd: float
    """Of single healthy runs, in units of the metric; above 0."""
    freedom: float
    repeats: int
    """Runs that `mean` and `sd` come from."""
    metric: Metric
    alpha: float
    """Share of healthy runs that may cross the line by chance alone."""

    @property
    def scale(self) -> float:
        """Of one further run: its own spread and the uncertainty of the mean."""
        return self.sd * sqrt(1 + 1 / self.repeats)

    @property
    def effect(self) -> float:
        """The smallest harm worth a verdict, in metric units."""
        return max(self.metric.min_effect, self.metric.min_effect_sd * self.sd)

    @property
    def line(self) -> float:
        """The harm beyond which a run is called broken, in metric units.

        The smallest effect worth a verdict, unless the baseline is so noisy that
        healthy runs cross it too often; then as far out as `alpha` asks.
        """
        return max(self.effect, self.reach(self.alpha))

    def reach(self, alpha: float) -> float:
        """The harm that a share `alpha` of healthy runs exceed by chance."""
        return self.scale * float(stdtrit(self.freedom, 1 - alpha))

    def harm(self, value: float) -> float:
        """How much worse than the baseline's mean a value is."""
        return self.metric.harm(value, self.mean)

    def outlies(self, value: float) -> bool:
        """Whether a repeat is so far off, to either side, that it was not like the others."""
        off = abs(value - self.mean) / self.scale
        return 2 * float(stdtr(self.freedom, -off)) < OUTLYING

    def p_beyond(self, value: float, harm: float) -> float:
        """Probability that the run's own harm, seen through the noise, is more than `harm`."""
        return float(stdtr(self.freedom, (self.harm(value) - harm) / self.scale))

    def p_broken(self, value: float) -> float:
        """Probability that the run's own harm lies beyond the line."""
        return self.p_beyond(value, self.line)


def learn(
    values: Sequence[float], metric: Metric, prior: Prior, alpha: float = 0.01
) -> Noise | None:
    """The spread of healthy runs from the baseline's finite values.

    Of `ROBUST_FROM` values or more, those are left out that are outliers by what the others
    say: a baseline run that went wrong without anybody calling it broken would otherwise
    hide every fault behind it.

    Args:
        values: one per repeat, in any order.
        metric: what they are in units of.
        prior: how far apart they are expected to lie.
        alpha: share of healthy runs that may be called broken.

    Returns:
        None where nothing can be said: no value, or one and nothing to expect of others.
    """
    most = int(len(values) * OUTLIERS) if len(values) >= ROBUST_FROM else 0
    middle = median(values) if values else 0.0
    nearest = sorted(values, key=lambda v: abs(v - middle))
    for count in range(len(values) - most, len(values) + 1):
        noise = _fit(nearest[:count], metric, prior, alpha)
        if noise and all(noise.outlies(v) for v in nearest[count:]):
            return noise
    return None


def _fit(values: Sequence[float], metric: Metric, prior: Prior, alpha: float) -> Noise | None:
    weight = prior.runs if prior.sd > 0 else 0.0
    freedom = len(values) - 1 + weight
    if not values or freedom <= 0:
        return None
    mean = fmean(values)
    squares = sum((v - mean) ** 2 for v in values) + weight * prior.sd**2
    # Repeats of a deterministic training may agree to the last digit.
    sd = max(sqrt(squares / freedom), prior.floor, 1e-9 * max(1.0, abs(mean)))
    return Noise(mean, sd, freedom, len(values), metric, alpha)


def sampling_floor(values: Sequence[float], metric: Metric, n_val: float) -> float:
    """The spread that an accuracy has over seeds at the least, from the size of the validation set.

    sqrt(err / (2 n)), Jordan, On the Variance of Neural Network Training with respect to
    Test Sets and Distributions (ICLR 2024, arXiv:2304.01910). 0 for anything that is not
    a share in [0, 1] to be maximised.
    """
    share = metric.direction is Direction.MAXIMIZE and all(0 <= v <= 1 for v in values)
    if not values or not share or n_val <= 0:
        return 0.0
    return sqrt((1 - fmean(values)) / (2 * n_val))
