"""A plain hyperparameter sweep as a phase: a grid tried whole, or a range that Optuna searches.

The study is built anew from the session at every call, as in `lr_sweep`, so a
sweep resumes and replays like any search. Imports Optuna by exception.
"""

from collections.abc import Mapping
from itertools import product
from statistics import fmean, stdev

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from bisector.model.experiment import Axis, Direction, Sweep
from bisector.model.session import Concluded, Judged, Ruling, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Outcome
from bisector.plan.asks import Want, missing, pending
from bisector.ports import Decision

Setting = Mapping[str, str]
"""From override key to its value, as written in an override."""


def sweep(session: Session, slots: int) -> Decision | None:
    """The settings still to be run; then the end, with the best one named."""
    space = session.experiment.sweep
    if space is None:
        return None
    left = session.experiment.budget.trials - session.spent
    wants = [Want(_arm(space, s), space.seeds, Purpose.SWEEP) for s in _settings(session, space)]
    trials = missing(session, wants)
    if not trials and not space.is_grid and left > 0:
        trials = missing(session, _asked(session, space, slots))
    if trials and left > 0:
        return Decision(ask=trials[: min(slots, left)])
    return Decision() if pending(session, wants) else Decision(record=_end(session, space))


def ranking(session: Session) -> tuple[tuple[Arm, tuple[Judged, ...]], ...]:
    """Every setting that could be judged with its runs, best mean first, broken ones last."""
    arms = dict.fromkeys(e.trial.arm for e in session.of(Purpose.SWEEP))
    judged = [(arm, session.runs(arm)) for arm in arms]
    return tuple(sorted((r for r in judged if r[1]), key=lambda r: _cost(session, r[1])))


def _settings(session: Session, space: Sweep) -> list[Setting]:
    """All of a grid, or those of a range that have been launched."""
    if space.is_grid:
        keys = [a.key for a in space.axes]
        return [
            dict(zip(keys, values, strict=True))
            for values in product(*(a.values for a in space.axes))
        ]
    arms = dict.fromkeys(e.trial.arm for e in session.launched)
    return [_setting(arm) for arm in arms]


def _asked(session: Session, space: Sweep, slots: int) -> list[Want]:
    """What Optuna wants next, one setting at a time, each told of those before it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = _settings(session, space)
    wants: list[Want] = []
    for _ in range(min(slots, space.trials - len(known))):
        sampler = optuna.samplers.TPESampler(
            seed=session.experiment.seed + len(known), constant_liar=True
        )
        study = optuna.create_study(sampler=sampler)
        axes = {a.key: _distribution(a) for a in space.axes}
        study.add_trials([_told(session, space, s, axes) for s in known])
        params = study.ask(dict(axes)).params
        known.append({key: _written(value) for key, value in params.items()})
        wants.append(Want(_arm(space, known[-1]), space.seeds, Purpose.SWEEP))
    return wants


def _told(
    session: Session, space: Sweep, setting: Setting, axes: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    runs = session.runs(_arm(space, setting))
    params = {key: _read(axes[key], text) for key, text in setting.items()}
    return create_trial(
        params=params,
        distributions=dict(axes),
        value=_cost(session, runs) if runs else None,
        state=TrialState.COMPLETE if runs else TrialState.RUNNING,
    )


def _cost(session: Session, runs: tuple[Judged, ...]) -> float:
    """What is minimised. Optuna ignores failed trials, so a broken one is told as a number."""
    sign = -1.0 if session.experiment.metric.direction is Direction.MAXIMIZE else 1.0
    seen = [sign * e.verdict.score for e in session.judged if e.verdict.score is not None]
    worst = max(seen, default=0.0)
    broken = worst + max(1.0, abs(worst))
    return fmean(
        broken
        if e.verdict.outcome is Outcome.BROKEN or e.verdict.score is None
        else sign * e.verdict.score
        for e in runs
    )


def _end(session: Session, space: Sweep) -> Concluded:
    ranked = ranking(session)
    if not ranked:
        return Concluded(Ruling.INCONCLUSIVE, (), 0.0, "no setting could be judged")
    best, runs = ranked[0]
    scores = [e.verdict.score for e in runs if e.verdict.score is not None]
    name = session.experiment.metric.name
    spread = f" +- {stdev(scores):.2g}" if len(scores) > 1 else ""
    value = f"{name} {fmean(scores):.4g}{spread}" if scores else f"no {name}"
    said = f"best of {len(ranked)} settings: {' '.join(best.tweaks)}, {value}"
    return Concluded(Ruling.SWEPT, (), 1.0, f"{said} over {len(runs)} seed(s)")


def _arm(space: Sweep, setting: Setting) -> Arm:
    return Arm(space.additions, tuple(f"{key}={value}" for key, value in setting.items()))


def _setting(arm: Arm) -> Setting:
    return dict(t.split("=", 1) for t in arm.tweaks)


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.values or axis.low is None or axis.high is None:
        return CategoricalDistribution(axis.values)
    if axis.integer:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _written(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _read(distribution: BaseDistribution, text: str) -> str | float | int:
    if isinstance(distribution, CategoricalDistribution):
        return text
    return int(text) if isinstance(distribution, IntDistribution) else float(text)
