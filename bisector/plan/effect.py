"""How much worse an arm is than the baseline, and how many seeds it takes to tell.

The k-th run of any arm has the k-th seed, so runs of two arms share what chance is in the
data's order and in the weights that they have in common. How much of the spread that explains
differs by addition: for weight decay nearly all, for dropout next to nothing. So the correlation
is estimated from the pairs that there are, and what is not known of it is taken to be none.
"""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from statistics import fmean

from scipy.special import ndtri, stdtrit

from bisector.model.experiment import Metric
from bisector.model.session import Effect, Judged

UNPAIRED = 8.0
"""Pairs that the expectation of no correlation weighs: with fewer, chance alone looks like it."""


def effect(
    metric: Metric, baseline: Sequence[Judged], arm: Sequence[Judged], confidence: float
) -> Effect | None:
    """The harm of an arm by the scores of its runs and the baseline's; None: too few have one.

    A two-sample t interval with a pooled spread, in which the spread that is expected beforehand
    weighs one run, as in the judge; narrower by what the seeds in common explain:
    var(a - b) = sd^2 (1/n_a + 1/n_b - 2 r c / (n_a n_b)) for c pairs of correlation r.
    """
    ours, theirs = _scores(arm), _scores(baseline)
    reference, values = list(theirs.values()), list(ours.values())
    prior = 1 if metric.expected_sd > 0 else 0
    freedom = len(reference) + len(values) - 2 + prior
    if not reference or not values or freedom <= 0:
        return None
    middle, mean = fmean(reference), fmean(values)
    squares = sum((v - middle) ** 2 for v in reference) + sum((v - mean) ** 2 for v in values)
    sd = sqrt((squares + prior * metric.expected_sd**2) / freedom)
    pairs = [(ours[seed], theirs[seed]) for seed in ours.keys() & theirs.keys()]
    r, runs = correlation(pairs), len(reference) * len(values)
    reach = sd * sqrt((len(reference) + len(values) - 2 * r * len(pairs)) / runs)
    reach *= float(stdtrit(freedom, 1 - (1 - confidence) / 2))
    harm = metric.harm(mean, middle)
    return Effect(
        arm=arm[0].trial.arm.additions,
        harm=harm,
        low=harm - reach,
        high=harm + reach,
        confidence=confidence,
        sd=sd,
        worth=max(metric.min_effect, metric.min_effect_sd * sd),
        correlation=r,
    )


def correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Of two arms' scores on the same seeds, drawn towards none; never below 0."""
    if len(pairs) < 2:
        return 0.0
    one, two = fmean(a for a, _ in pairs), fmean(b for _, b in pairs)
    spread = sqrt(sum((a - one) ** 2 for a, _ in pairs) * sum((b - two) ** 2 for _, b in pairs))
    if spread == 0:
        return 0.0
    found = sum((a - one) * (b - two) for a, b in pairs) / spread
    known = len(pairs) - 1
    return max(0.0, found) * known / (known + UNPAIRED)


def seeds_needed(found: Effect, confidence: float) -> int:
    """Seeds an arm on which means tell a harm of `worth` from none, both ways this surely.

    n = 2 ((z_a + z_b) sd / worth)^2 for two groups of n with equal spread, one-sided
    (Chow, Shao and Wang, Sample Size Calculations in Clinical Research, section 3.2), of
    which pairs of correlation r save the share r.
    """
    if found.worth <= 0:
        return 2
    z = float(ndtri(confidence))
    spread = 2 * (1 - found.correlation) * found.sd**2
    return max(2, ceil(spread * (2 * z / found.worth) ** 2))


def _scores(runs: Sequence[Judged]) -> Mapping[int, float]:
    """By seed; of a seed that was tried again the last score counts."""
    return {e.trial.seed: e.verdict.score for e in runs if e.verdict.score is not None}
