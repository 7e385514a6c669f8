"""How far apart healthy runs lie, learned from the baseline's own repeats."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.special import stdtr

from bisector.model.experiment import Metric

PRIOR_RUNS = 2.0
"""Weight of the prior spread, in runs; it matters only while repeats are few."""

PRIOR_SHARE = 0.25
"""The prior spread as a share of the smallest effect worth a verdict: who asks for an
effect of e expects healthy runs to lie closer together than that."""

FALSE_ALARM = 0.01
"""Share of healthy runs that may cross the line by chance alone."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Predictive distribution of a healthy run: Student t (Gelman et al., BDA3, section 3.3)."""

    mean: float
    """In units of the metric."""
    scale: float
    """Of one further run, the uncertainty of the mean included; metric units."""
    freedom: float
    metric: Metric

    @property
    def line(self) -> float:
        """The harm beyond which a run is called broken, in metric units.

        The smallest effect worth a verdict, unless the baseline is so noisy that
        healthy runs cross it too often; then as far out as `FALSE_ALARM` asks.
        """
        asked = max(self.metric.min_effect, self.metric.min_effect_sd * self.scale)
        return max(asked, self.scale * _quantile(self.freedom))

    def harm(self, value: float) -> float:
        """How much worse than the baseline's mean a value is."""
        return self.metric.harm(value, self.mean)

    def p_broken(self, value: float) -> float:
        """Probability that the run's own harm, seen through the noise, lies beyond the line."""
        return float(stdtr(self.freedom, (self.harm(value) - self.line) / self.scale))


def learn(values: Sequence[float], metric: Metric) -> Noise | None:
    """The spread of healthy runs from the baseline's finite values; None if there are none."""
    if not values:
        return None
    count = len(values)
    mean = sum(values) / count
    prior = max(metric.min_effect * PRIOR_SHARE, 1e-12)
    squares = sum((v - mean) ** 2 for v in values) + PRIOR_RUNS * prior**2
    freedom = count - 1 + PRIOR_RUNS
    return Noise(mean, sqrt(squares / freedom * (1 + 1 / count)), freedom, metric)


def _quantile(freedom: float) -> float:
    """Upper `FALSE_ALARM` quantile of Student's t, by bisection on its distribution function."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if stdtr(freedom, middle) < 1 - FALSE_ALARM else (low, middle)
    return high
