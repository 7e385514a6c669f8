"""How far apart healthy runs lie, learned from the baseline's own repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median

from scipy.special import stdtr, stdtrit

from bisector.model.experiment import Direction, Metric

PRIOR_RUNS = 2.0
"""Weight of the prior spread, in runs; it matters only while repeats are few."""

PRIOR_SHARE = 0.25
"""The prior spread as a share of the smallest effect worth a verdict: who asks for an
effect of e expects healthy runs to lie closer together than that."""

ROBUST_FROM = 5
"""Repeats from which an outlier can be told from a wide spread."""

OUTLIER = 3.5
"""Robust standard deviations beyond which a repeat is an outlier: the modified z-score
of Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993)."""


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

    def p_beyond(self, value: float, harm: float) -> float:
        """Probability that the run's own harm, seen through the noise, is more than `harm`."""
        return float(stdtr(self.freedom, (self.harm(value) - harm) / self.scale))

    def p_broken(self, value: float) -> float:
        """Probability that the run's own harm lies beyond the line."""
        return self.p_beyond(value, self.line)


def learn(
    values: Sequence[float], metric: Metric, *, alpha: float = 0.01, floor: float = 0.0
) -> Noise | None:
    """The spread of healthy runs from the baseline's finite values.

    Args:
        values: one per repeat, in any order.
        metric: its `min_effect` also says how close together healthy runs are expected to lie.
        alpha: share of healthy runs that may be called broken.
        floor: standard deviation that healthy runs have at the least, see `sampling_floor`.

    Returns:
        None where nothing can be said: no value, or one and nothing to expect of others.
    """
    expected = max(floor, metric.min_effect * PRIOR_SHARE)
    kept = typical(values, expected)
    weight = PRIOR_RUNS if expected > 0 else 0.0
    freedom = len(kept) - 1 + weight
    if not kept or freedom <= 0:
        return None
    mean = fmean(kept)
    squares = sum((v - mean) ** 2 for v in kept) + weight * expected**2
    # Repeats of a deterministic training may agree to the last digit.
    sd = max(sqrt(squares / freedom), floor, 1e-9 * max(1.0, abs(mean)))
    return Noise(mean, sd, freedom, len(kept), metric, alpha)


def typical(values: Sequence[float], expected: float) -> list[float]:
    """The values without outliers, which are looked for among `ROBUST_FROM` or more.

    An outlier is a baseline run that went wrong without anybody calling it broken; kept,
    it would hide every fault behind it. `expected` is a spread that is always in order.
    """
    if len(values) < ROBUST_FROM:
        return list(values)
    middle = median(values)
    spread = max(1.4826 * median(abs(v - middle) for v in values), expected)
    return [v for v in values if abs(v - middle) <= OUTLIER * spread]


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
