"""How much worse an arm is than the baseline, and how many seeds it takes to tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean

from scipy.special import ndtri, stdtrit

from bisector.model.experiment import Metric
from bisector.model.session import Judged


@dataclass(frozen=True, slots=True)
class Effect:
    """The mean harm of an arm in metric units, negative if it is better than the baseline."""

    harm: float
    low: float
    high: float
    """Ends of the two-sided interval at the confidence asked for."""
    sd: float
    """Of single runs of either arm."""
    worth: float
    """The smallest harm worth a verdict."""

    def seeds(self, confidence: float) -> int:
        """Seeds an arm on which means tell a harm of `worth` from none, both ways this surely.

        n = 2 ((z_a + z_b) sd / worth)^2 for two groups of n with equal spread, one-sided
        (Chow, Shao and Wang, Sample Size Calculations in Clinical Research, section 3.2).
        """
        if self.worth <= 0:
            return 2
        z = float(ndtri(confidence))
        return max(2, ceil(2 * (2 * z * self.sd / self.worth) ** 2))


def effect(
    metric: Metric, baseline: Sequence[Judged], arm: Sequence[Judged], confidence: float
) -> Effect | None:
    """The harm of an arm by the scores of its runs and the baseline's; None: too few have one.

    A pooled two-sample t interval. The spread that is expected beforehand weighs one run,
    as in the judge.
    """
    reference, values = _scores(baseline), _scores(arm)
    prior = 1 if metric.expected_sd > 0 else 0
    freedom = len(reference) + len(values) - 2 + prior
    if not reference or not values or freedom <= 0:
        return None
    middle, mean = fmean(reference), fmean(values)
    squares = sum((v - middle) ** 2 for v in reference) + sum((v - mean) ** 2 for v in values)
    sd = sqrt((squares + prior * metric.expected_sd**2) / freedom)
    reach = sd * sqrt(1 / len(reference) + 1 / len(values))
    reach *= float(stdtrit(freedom, 1 - (1 - confidence) / 2))
    harm = metric.harm(mean, middle)
    worth = max(metric.min_effect, metric.min_effect_sd * sd)
    return Effect(harm, harm - reach, harm + reach, sd, worth)


def _scores(runs: Sequence[Judged]) -> list[float]:
    return [e.verdict.score for e in runs if e.verdict.score is not None]
