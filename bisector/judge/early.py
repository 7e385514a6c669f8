"""Is a run that is still going known to be broken?

Being worse at the same step is not yet being broken: additions such as mixup or weight
decay learn more slowly and catch up. So a run is held to what the baseline had reached in
a third of its steps. Nothing is ever known to be *healthy* early: a NaN can still come.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log
from statistics import fmean

from bisector.judge.noise import Noise, Prior, learn
from bisector.model.evidence import OBSERVED_LOSS, Curve, Evidence, Signal
from bisector.model.experiment import Direction, Metric
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict

DIVERGING = log(1.5)
"""Growth of a loss over its own beginning beyond which it diverges, as a logarithm."""

EXPECTED = 3.0
"""How many runs it weighs that, while they train, healthy runs' scores lie about one `min_effect`
apart: several times as far as at the end. Three repeats alone say next to nothing of small risks."""

LOWER = Metric(direction=Direction.MINIMIZE)

Progress = tuple[Sequence[Curve], Metric]
"""The baseline's curves of a signal, and which way it improves."""


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """A sequential test of `this run learns, at worst, a few times slower than the baseline`.

    At each of K looks that are fixed by the baseline's own readings, the run's shortfall has a
    p-value under the baseline's spread at the step it is held to. A run is stopped once `running`
    looks in a row have p <= alpha * running / K. However the looks depend on each other, this stops
    at most a share `alpha` of healthy runs: by Markov's inequality at least r of K p-values
    lie below u with probability K * u / r at most (Rüger, Metrika 25, 1978; Vovk and Wang,
    Combining p-values via averaging, Biometrika 107, 2020). Looking more often changes nothing.
    """

    alpha: float = 0.002
    """Chance that a healthy run is stopped, over all looks together."""
    patience: float = 3.0
    """How many times slower than the baseline a healthy run may learn; infinite: none is stopped."""
    grace: float = 0.25
    """Share of a run in which it is left alone: it may begin to learn late."""
    pace: float = 2.0
    """How many times faster than of late a run may learn from here on: one that would still
    come close to the baseline's end is left alone."""
    running: int = 2
    """Looks in a row that must agree."""
    looks: int = 20
    """Most looks at one run."""
    improved: float = 0.25
    """Share of its whole gain that the baseline must have made by the step a run is held to."""


@dataclass(frozen=True, slots=True)
class Contest:
    """One run's curve against the baseline's, all for the same signal."""

    run: Curve
    baseline: tuple[Curve, ...]
    metric: Metric
    """What the curves measure, and the smallest difference that counts."""
    planned: float
    """Steps of the whole run."""
    own_start: bool = False
    """Hold the run to where it began and not to where the baseline got."""

    @property
    def stretch(self) -> float:
        """How many of the run's steps stand for one of the baseline's; at least 1."""
        return max(1.0, self.planned / self.length)

    @property
    def length(self) -> int:
        """Steps of a whole baseline run."""
        return max(1, *(c.steps[-1] for c in self.baseline))


@dataclass(frozen=True, slots=True)
class Look:
    """What the run has come to at a step, and what it is held to."""

    step: int
    value: float
    noise: Noise
    """Of the baseline at the step that the run is held to."""
    hopeless: bool
    """The run would not come close to the baseline's end even if it learned faster from here on."""

    @property
    def p(self) -> float:
        """Chance that a healthy run falls short as far as this."""
        return 1 - self.noise.p_beyond(self.value, self.noise.effect)


def known_broken(
    evidence: Evidence, baseline: Sequence[Evidence], metric: Metric, rule: EarlyStop
) -> Verdict | None:
    """The verdict on a run that is still going, if it is known to be broken; else None."""
    contest = contest_of(evidence, baseline, metric)
    if contest is None:
        return None
    steps = _look_steps(contest, _progress(contest, baseline), rule)
    in_a_row = 0
    for step in steps:
        look = _look(contest, step, rule)
        if look is None:
            return None
        short = look.hopeless and look.p <= rule.alpha * rule.running / len(steps)
        in_a_row = in_a_row + 1 if short else 0
        if in_a_row == rule.running:
            return _verdict(contest, look, step / rule.patience)
    return None


def contest_of(evidence: Evidence, baseline: Sequence[Evidence], metric: Metric) -> Contest | None:
    """The deciding metric's curves; where that is reported only at the end, the loss's growth.

    None: they say nothing, since the run or the baseline lacks a curve whose steps only go up.
    """
    curves = _curves(baseline, metric.name)
    if curves and min(len(c.steps) for c in curves) > 1:
        run = evidence.curves.get(metric.name)
        whole = run and _sound(run) and Contest(run, curves, metric, _planned(evidence, curves))
        return whole or None
    for name in (Signal.LOSS, Signal.VAL_LOSS, OBSERVED_LOSS):
        run, grown = _growth(evidence.curves.get(name)), _curves(baseline, name)
        logs = tuple(g for c in grown if (g := _growth(c)))
        if run and logs and len(logs) == len(baseline):
            growth = Metric(name=name, direction=Direction.MINIMIZE, min_effect=DIVERGING)
            return Contest(run, logs, growth, _planned(evidence, logs), own_start=True)
    return None


def _curves(baseline: Sequence[Evidence], name: str) -> tuple[Curve, ...]:
    """A signal's curves, if every baseline run has one whose steps only go up; else none."""
    found = [e.curves.get(name) for e in baseline]
    sound = tuple(c for c in found if c and _sound(c))
    return sound if len(sound) == len(baseline) else ()


def _sound(curve: Curve) -> bool:
    return all(map(isfinite, curve.values)) and list(curve.steps) == sorted(curve.steps)


def _growth(curve: Curve | None) -> Curve | None:
    """The logarithm of a positive curve over its first value."""
    if curve is None or not all(isfinite(v) and v > 0 for v in curve.values):
        return None
    first = curve.values[0]
    return Curve(curve.steps, tuple(log(v / first) for v in curve.values))


def _planned(evidence: Evidence, baseline: Sequence[Curve]) -> float:
    planned = evidence.facts.get("planned_steps")
    if isinstance(planned, int | float) and planned > 0:
        return float(planned)
    return float(max(c.steps[-1] for c in baseline))


def _look_steps(contest: Contest, progress: Sequence[Progress], rule: EarlyStop) -> list[int]:
    """The baseline's steps at which a run is looked at: all that could ever stop one.

    The last step is none of them, since nothing is saved there.
    """
    least = rule.grace * contest.length
    readings = min((c.steps for c in contest.baseline), key=len)
    marks = [contest.length * (i + 1) / rule.looks for i in range(rule.looks)]
    first = [readings[i] for mark in marks if (i := bisect_left(readings, mark)) < len(readings)]
    began = max(c.steps[0] for c in contest.baseline)
    return [
        step
        for step in dict.fromkeys(first)
        if least <= step < contest.length
        and began <= step / rule.patience
        and any(_gained(*p, step / rule.patience) >= rule.improved for p in progress)
    ]


def _progress(contest: Contest, baseline: Sequence[Evidence]) -> list[Progress]:
    """All by which the baseline can be seen to learn."""
    losses = [(_curves(baseline, name), LOWER) for name in (Signal.LOSS, Signal.VAL_LOSS)]
    return [(contest.baseline, contest.metric), *losses]


def _gained(curves: Sequence[Curve], metric: Metric, step: float) -> float:
    """The share of their whole gain that curves have made by a step, on average."""
    known = [(c, level) for c in curves if (level := level_at(c, step, 0)) is not None]
    whole = sum(metric.harm(c.values[0], c.last) for c, _ in known)
    made = sum(metric.harm(c.values[0], level) for c, level in known)
    return made / whole if whole > 0 else 0.0


def _look(contest: Contest, step: int, rule: EarlyStop) -> Look | None:
    """The run when it has come as far as a baseline's step; None: it has not yet."""
    run, span = contest.run, contest.length / rule.looks
    at = bisect_left(run.steps, step * contest.stretch)
    if at == len(run.steps):
        return None
    there = run.steps[at]
    value = level_at(run, there, span * contest.stretch)
    noise = _noise(contest, step / rule.patience, span)
    if value is None or noise is None:
        return None
    return Look(there, value, noise, _hopeless(contest, there, value, rule))


def _noise(contest: Contest, step: float, span: float) -> Noise | None:
    """The baseline's spread at a step, about what the run is held to."""
    levels = [v for c in contest.baseline if (v := level_at(c, step, span)) is not None]
    metric = contest.metric
    expected = metric.expected_sd if contest.own_start else metric.min_effect
    noise = learn(levels, metric, Prior(expected, EXPECTED))
    return replace(noise, mean=0.0) if noise and contest.own_start else noise


def _hopeless(contest: Contest, step: int, value: float, rule: EarlyStop) -> bool:
    """Whether `pace` times its progress since half as many steps would leave the run behind."""
    metric = contest.metric
    before = level_at(contest.run, step / 2, step / rule.looks)
    if before is None:
        before = contest.run.values[0]
    pace = max(0.0, metric.harm(before, value)) / (step / 2)
    gain = rule.pace * pace * max(0.0, contest.planned - step)
    end = 0.0 if contest.own_start else fmean(c.tail(metric.last) for c in contest.baseline)
    return metric.harm(value, end) - gain > metric.min_effect


def level_at(curve: Curve, step: float, span: float) -> float | None:
    """The mean of the readings in the last `span` steps up to one, else between its neighbours."""
    end = bisect_right(curve.steps, step)
    begin = bisect_right(curve.steps, step - span)
    if begin < end:
        return fmean(curve.values[begin:end])
    if end == 0:
        return None
    if end == len(curve.steps):
        return curve.last
    (left, right), (low, high) = curve.steps[end - 1 : end + 1], curve.values[end - 1 : end + 1]
    return low + (high - low) * (step - left) / (right - left)


def _verdict(contest: Contest, look: Look, held_to: float) -> Verdict:
    name, noise = contest.metric.name, look.noise
    if contest.own_start:
        symptom = Symptom.DIVERGED
        because = f"{name} at step {look.step} is {exp(look.value):.3g} times that at the start"
    else:
        symptom = Symptom.WORSE
        because = (
            f"{name} {look.value:.4g} at step {look.step}, "
            f"baseline {noise.mean:.4g} at step {held_to:.0f}"
        )
    return Verdict(Outcome.BROKEN, 1 - look.p, Signature(symptom), because=because, early=True)
