"""What a search cost, and what stopping runs early saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bisector.model.session import Judged, Launched, Session
from bisector.model.verdict import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The price of a session; times in seconds, steps are optimizer steps."""

    launched: int
    """Runs started, of any purpose; looks are none."""
    judged: int
    training_seconds: float
    """Wall time of all training processes together."""
    wall_seconds: float
    """From the first event to the last."""
    idle_seconds: float
    """The part of `wall_seconds` in which no run was going, e.g. while the search was stopped."""
    steps: int
    """Steps done in judged runs."""
    early: int
    """Runs stopped before their end, because the answer was known."""
    passed: int
    """Those of them that were stopped because they did as well as the baseline."""
    steps_saved: int
    """Steps that those runs did not have to do."""
    seconds_saved: float
    """`steps_saved` at the speed of whole runs, or else at each run's own, which includes its start."""
    retries: int
    """Runs lost through no fault of their arm's."""


def cost(session: Session) -> Cost:
    """What `session` has cost so far."""
    judged = session.judged
    early = [e for e in judged if e.verdict.early]
    saved = {e.trial.number: _saved(e, _usual(judged, like=e)) for e in early}
    times = [e.at for e in session.events if e.at]
    wall = times[-1] - times[0] if times else 0.0
    return Cost(
        launched=len(session.started),
        judged=len(judged),
        training_seconds=sum(e.seconds for e in judged),
        wall_seconds=wall,
        idle_seconds=max(wall - _busy(session), 0.0),
        steps=sum(e.verdict.steps for e in judged),
        early=len(early),
        passed=sum(e.verdict.outcome is Outcome.HEALTHY for e in early),
        steps_saved=sum(saved.values()),
        seconds_saved=sum(saved[e.trial.number] * _pace(judged, e) for e in early),
        retries=sum(e.verdict.retry for e in judged),
    )


def _saved(event: Judged, usual: int) -> int:
    """Steps not done; a training that does not say its length has that of the `usual` whole run."""
    return max((event.verdict.planned or usual) - event.verdict.steps, 0)


def _usual(judged: Sequence[Judged], like: Judged) -> int:
    """The most steps of a whole run.

    A command counts its steps by what it prints, and by its optimizer's where it is watched.
    """
    whole = [e for e in judged if not e.verdict.early]
    alike = [e.verdict.steps for e in whole if e.trial.arm.watched == like.trial.arm.watched]
    return max(alike, default=0)


def _pace(judged: Sequence[Judged], like: Judged) -> float:
    """Seconds a step: the median of whole runs that count alike, as a short run is mostly its start."""
    whole = [e for e in judged if not e.verdict.early and e.verdict.steps]
    alike = [e for e in whole if e.trial.arm.watched == like.trial.arm.watched]
    own = [like] if like.verdict.steps else []
    paces = [e.seconds / e.verdict.steps for e in alike or own if e.verdict.steps > 1]
    return median(paces) if paces else 0.0


def _busy(session: Session) -> float:
    """Seconds in which at least one run was going."""
    going: set[int] = set()
    total = since = 0.0
    for event in session.events:
        if going:
            total += max(event.at - since, 0.0)
        since = event.at
        match event:
            case Launched(trial):
                going.add(trial.number)
            case Judged(trial):
                going.discard(trial.number)
            case _:
                pass
    return total
