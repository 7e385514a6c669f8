"""Is a convicted set broken at every learning rate, or does it need another one?

The given multipliers are tried first; a finer study within bounds is Optuna's. A
fresh in-memory study is built from the session at every call, so there is no
second store of truth. Imports Optuna by exception (design, section 3).
"""

from collections.abc import Iterable, Mapping
from math import log
from statistics import fmean

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from bisector.model.experiment import Direction, LearningRate
from bisector.model.session import Accused, LrEffect, LrVerdict, Session
from bisector.model.trial import Arm, Purpose
from bisector.plan.asks import Want, broken_share
from bisector.plan.proof import with_requirements

SURE, MOST = 2, 6
"""Fewest and most seeds on which a set must train at another learning rate before that is
believed: it is the rarer answer, so one lucky seed must not give it."""

LUCK = 0.05
"""Chance that a set which breaks on some seeds only passes on all of those by luck."""

NEAR = 0.1
"""Multipliers closer than this, in natural logarithms, are not worth two runs."""


def lr_wants(session: Session, accused: Accused) -> tuple[Want, ...]:
    """The runs that the sweeps of all culprits still need; runs already made count."""
    lr = session.experiment.lr
    if lr is None or accused.suspect.cumulative:
        return ()
    culprits = accused.suspect.culprits
    sweeps = tuple(_want(session, c, s) for c in culprits for s in _scales(session, c, lr))
    if not any(_broken_throughout(session, c, lr.scales) for c in culprits):
        return sweeps
    # What breaks the baseline as well is no test of what was added to it.
    return (*sweeps, *(Want(Arm(lr_scale=s), 1, Purpose.SWEEP_LR) for s in lr.scales))


def lr_verdicts(session: Session, accused: Accused) -> tuple[LrVerdict, ...]:
    """What the sweeps say of each culprit."""
    if accused.suspect.cumulative:
        return ()
    return tuple(_verdict(session, culprit) for culprit in accused.suspect.culprits)


def tried(session: Session, culprit: frozenset[str]) -> tuple[float, ...]:
    """The multipliers at which a culprit has been launched, in order; x1 is not among them."""
    arms = (e.trial.arm for e in session.launched if e.trial.purpose is Purpose.SWEEP_LR)
    on = with_requirements(session.experiment, culprit)
    return tuple(dict.fromkeys(a.lr_scale for a in arms if a.additions == on))


def seeds_to_believe(session: Session, culprit: frozenset[str]) -> int:
    """Seeds on which a culprit must train elsewhere, by how often it breaks at x1.

    One that breaks every time needs `SURE`; one that trains on two seeds in five anyway needs
    as many as make that unlikely to be all that was seen.
    """
    runs = session.runs(_at(session, culprit, 1.0))
    passes = (1 - broken_share(runs)) * len(runs)
    luck = (passes + 0.5) / (len(runs) + 1) if passes else 0.0
    count = SURE
    while luck**count > LUCK and count < MOST:
        count += 1
    return count


def _at(session: Session, culprit: frozenset[str], scale: float) -> Arm:
    """A culprit, with what it cannot run without, at a multiple of the learning rate."""
    return Arm(with_requirements(session.experiment, culprit), lr_scale=scale)


def _want(session: Session, culprit: frozenset[str], scale: float) -> Want:
    """One seed settles that it breaks there; more are spent where it does not."""
    arm = _at(session, culprit, scale)
    runs = session.runs(arm)
    promising = bool(runs) and broken_share(runs) <= 0.5
    return Want(arm, seeds_to_believe(session, culprit) if promising else 1, Purpose.SWEEP_LR)


def _broken_throughout(session: Session, culprit: frozenset[str], scales: Iterable[float]) -> bool:
    """Whether a culprit was seen to break at all of the multipliers."""
    runs = [session.runs(_at(session, culprit, s)) for s in scales]
    return all(found and broken_share(found) > 0.5 for found in runs)


def _scales(session: Session, culprit: frozenset[str], lr: LearningRate) -> tuple[float, ...]:
    grid = tuple(dict.fromkeys((*lr.scales, *tried(session, culprit))))
    if lr.trials == 0 or lr.low is None or lr.high is None:
        return grid
    judged = all(session.runs(_at(session, culprit, s)) for s in grid)
    finer = len(grid) - len(lr.scales)
    if not judged or finer >= lr.trials:
        return grid
    return (*grid, _suggest(session, culprit, grid, (lr.low, lr.high)))


def _suggest(
    session: Session, culprit: frozenset[str], grid: tuple[float, ...], bounds: tuple[float, float]
) -> float:
    """Optuna's next multiplier, given how the others came out."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {"scale": FloatDistribution(*bounds, log=True)}
    known = [s for s in (1.0, *grid) if bounds[0] <= s <= bounds[1]]
    told = [_told(s, _cost(session, _at(session, culprit, s)), space) for s in known]
    # Where all that was tried is equally bad, the sampler returns to it: a run that teaches nothing.
    for attempt in range(100):
        sampler = optuna.samplers.TPESampler(
            seed=session.experiment.seed + 100 * len(grid) + attempt
        )
        study = optuna.create_study(sampler=sampler)
        study.add_trials(told)
        scale = float(f"{study.ask(dict(space)).params['scale']:.3g}")
        if all(abs(log(scale / s)) > NEAR for s in known):
            break
    return scale


def _told(scale: float, cost: float, space: Mapping[str, FloatDistribution]) -> FrozenTrial:
    return create_trial(params={"scale": scale}, distributions=dict(space), value=cost)


def _cost(session: Session, arm: Arm) -> float:
    """What Optuna minimises. Samplers ignore failed trials, so a broken run is told as a number."""
    scores = [e.verdict.score for e in session.runs(arm) if e.verdict.score is not None]
    seen = [e.verdict.score for e in session.judged if e.verdict.score is not None]
    sign = -1.0 if session.experiment.metric.direction is Direction.MAXIMIZE else 1.0
    worst = max((sign * s for s in seen), default=0.0)
    return sign * fmean(scores) if scores else worst + abs(worst) + 1.0


def _verdict(session: Session, culprit: frozenset[str]) -> LrVerdict:
    scales = [s for s in tried(session, culprit) if session.runs(_at(session, culprit, s))]
    if session.experiment.lr is None or not scales:
        why = "the budget was spent" if session.experiment.lr else "the experiment names no lr.key"
        return LrVerdict(culprit, LrEffect.NOT_SWEPT, because=why)
    trains = [s for s in scales if _trains(session, culprit, s)]
    trains.sort(key=lambda s: _cost(session, _at(session, culprit, s)))
    known = tuple(sorted({1.0, *scales}))
    effect, because = _effect(known, frozenset(trains))
    if no_test := [s for s in known if s != 1.0 and _broken_throughout(session, frozenset(), [s])]:
        because += f"; at {_said(no_test)} the baseline breaks too"
    return LrVerdict(culprit, effect, tuple(trains), known, because)


def _trains(session: Session, culprit: frozenset[str], scale: float) -> bool:
    runs = session.runs(_at(session, culprit, scale))
    return len(runs) >= seeds_to_believe(session, culprit) and broken_share(runs) < 0.5


def _effect(known: tuple[float, ...], trains: frozenset[float]) -> tuple[LrEffect, str]:
    """What the multipliers say, in ascending order, and in one clause."""
    broken = [s for s in known if s not in trains]
    breaks = f"it breaks at {_said(broken)}"
    if not trains:
        return LrEffect.BROKEN_AT_EVERY_LR, f"broken at {_said(broken)}"
    if max(trains) < min(broken):
        return LrEffect.BREAKS_ABOVE, f"{breaks}, only above x{max(trains):g}"
    if min(trains) > max(broken):
        return LrEffect.BREAKS_BELOW, f"{breaks}, only below x{min(trains):g}"
    return LrEffect.NEEDS_LR, breaks


def _said(scales: Iterable[float]) -> str:
    return ", ".join(f"x{s:g}" for s in scales)
