"""Is a convicted set broken at every learning rate, or does it need another one?

The given multipliers are tried first; a finer study within bounds is Optuna's. A
fresh in-memory study is built from the session at every call, so there is no
second store of truth. Imports Optuna by exception (design, section 3).
"""

from collections.abc import Mapping
from math import log
from statistics import fmean

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from bisector.model.experiment import Direction, Experiment, LearningRate
from bisector.model.session import Accused, LrEffect, LrVerdict, Session
from bisector.model.trial import Arm, Purpose
from bisector.plan.asks import Want, broken_share

SURE = 2
"""Seeds on which a set must train at another learning rate before that is believed: it
is the rarer answer, so one lucky seed must not give it."""

NEAR = 0.1
"""Multipliers closer than this, in natural logarithms, are not worth two runs."""


def lr_wants(session: Session, accused: Accused) -> tuple[Want, ...]:
    """The runs that the sweeps of all culprits still need; runs already made count."""
    lr = session.experiment.lr
    if lr is None or accused.suspect.cumulative:
        return ()
    return tuple(
        want
        for culprit in accused.suspect.culprits
        for scale in _scales(session, culprit, lr)
        for want in [_want(session, Arm(culprit, lr_scale=scale))]
    )


def lr_verdicts(session: Session, accused: Accused) -> tuple[LrVerdict, ...]:
    """What the sweeps say of each culprit."""
    if accused.suspect.cumulative:
        return ()
    return tuple(_verdict(session, culprit) for culprit in accused.suspect.culprits)


def tried(session: Session, culprit: frozenset[str]) -> tuple[float, ...]:
    """The multipliers at which a culprit has been launched, in order; x1 is not among them."""
    arms = (e.trial.arm for e in session.launched if e.trial.purpose is Purpose.SWEEP_LR)
    return tuple(dict.fromkeys(a.lr_scale for a in arms if a.additions == culprit))


def _want(session: Session, arm: Arm) -> Want:
    runs = session.runs(arm)
    promising = bool(runs) and broken_share(runs) <= 0.5
    return Want(arm, SURE if promising else 1, Purpose.SWEEP_LR)


def _scales(session: Session, culprit: frozenset[str], lr: LearningRate) -> tuple[float, ...]:
    grid = tuple(dict.fromkeys((*lr.scales, *tried(session, culprit))))
    if lr.trials == 0 or lr.low is None or lr.high is None:
        return grid
    judged = all(session.runs(Arm(culprit, lr_scale=s)) for s in grid)
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
    told = [_told(s, _cost(session, Arm(culprit, lr_scale=s)), space) for s in known]
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
    experiment = session.experiment
    scales = [s for s in tried(session, culprit) if session.runs(Arm(culprit, lr_scale=s))]
    if experiment.lr is None or not scales:
        why = "the budget was spent" if experiment.lr else "the experiment names no lr.key"
        return LrVerdict(culprit, LrEffect.NOT_SWEPT, because=why)
    trains = [s for s in scales if _trains(session, Arm(culprit, lr_scale=s))]
    trains.sort(key=lambda s: _cost(session, Arm(culprit, lr_scale=s)))
    if not trains:
        said = ", ".join(f"x{s:g}" for s in sorted({1.0, *scales}))
        return LrVerdict(culprit, LrEffect.BROKEN_AT_EVERY_LR, because=f"broken at {said}")
    return LrVerdict(culprit, LrEffect.NEEDS_LR, tuple(trains), _needs(experiment, trains[0]))


def _trains(session: Session, arm: Arm) -> bool:
    runs = session.runs(arm)
    return len(runs) >= SURE and broken_share(runs) < 0.5


def _needs(experiment: Experiment, best: float) -> str:
    side = "breaks only above" if best < 1 else "breaks only below"
    return f"it trains at x{best:g} and {side} that"
