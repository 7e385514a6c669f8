"""Is a run that is still going known to be healthy?

That cannot be proved: a NaN or a collapse can come at any step. What can be said is how the run
would be judged at its end if it went on as the baseline's own runs went on from the same step.
So this is for those who would rather have that, and the steps that are left, than wait.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from bisector.judge.early import Contest, contest_of, level_at
from bisector.judge.noise import Noise, learn, of_ended_runs
from bisector.model.evidence import Curve, Evidence
from bisector.model.experiment import Metric
from bisector.model.verdict import Outcome, Verdict

LEAST = 3
"""Baseline runs from which the way that is left can be foretold."""


@dataclass(frozen=True, slots=True)
class EarlyPass:
    """A sequential test of `at its end this run would be called broken`.

    At each of K looks the run's end is foretold as its value and what the baseline's runs still
    gained from that step on, with their spread. It is passed at the first look that puts the
    chance of an end beyond the line at alpha / K or below. Whoever looks more often sees the same.
    """

    alpha: float = 0.01
    """Chance that a run which goes on like the baseline's is passed and would have been broken."""
    looks: tuple[float, ...] = (0.6, 0.8)
    """Shares of a run at which it is looked at: before, its end is foretold too poorly, and every
    further look makes all of them stricter."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run's end, as foretold at one of its steps."""

    step: int
    value: float
    end: float
    """The expected value at the end."""
    p_broken: float
    """Chance that the end lies beyond the line."""


def known_healthy(
    evidence: Evidence, baseline: Sequence[Evidence], metric: Metric, noise: Noise, rule: EarlyPass
) -> Verdict | None:
    """The verdict on a run that is still going, if it is as good as known; else None.

    Its score is the end that is expected of it. `noise` is that of the baseline's ends.
    """
    contest = contest_of(evidence, baseline, metric)
    if contest is None or contest.own_start or len(contest.baseline) < LEAST:
        return None
    looks = (_forecast(contest, share, noise) for share in rule.looks)
    sure = (seen for seen in looks if seen and seen.p_broken <= rule.alpha / len(rule.looks))
    seen = next(sure, None)
    return _verdict(metric, seen, noise) if seen else None


def _forecast(contest: Contest, share: float, noise: Noise) -> Forecast | None:
    """What is to be expected of the run at a share of its way; None: it has not come so far."""
    run, span = contest.run, contest.length / 20
    at = bisect_left(run.steps, share * contest.planned)
    if at == len(run.steps) or run.steps[at] >= contest.planned:
        return None
    there = run.steps[at]
    value = level_at(run, there, span * contest.stretch)
    ahead = [
        _gain(c, there / contest.planned * c.steps[-1], span, contest) for c in contest.baseline
    ]
    gains = [g for g in ahead if g is not None]
    spread = learn(gains, contest.metric, of_ended_runs(contest.metric), noise.alpha)
    if value is None or spread is None or len(gains) < LEAST:
        return None
    end = value + spread.mean
    spare = noise.line - noise.harm(end)
    # The end is off by as much as a further gain is off the mean of those seen.
    return Forecast(there, value, end, spread.p_beyond(spread.mean, spare))


def _gain(curve: Curve, step: float, span: float, contest: Contest) -> float | None:
    """What a baseline run's value still changed by after a step."""
    then = level_at(curve, step, span)
    return None if then is None else curve.tail(contest.metric.last) - then


def _verdict(metric: Metric, seen: Forecast, noise: Noise) -> Verdict:
    because = (
        f"{metric.name} {seen.value:.4g} at step {seen.step}, "
        f"{seen.end:.4g} expected at the end, baseline {noise.mean:.4g}"
    )
    return Verdict(Outcome.HEALTHY, seen.p_broken, score=seen.end, because=because, early=True)
