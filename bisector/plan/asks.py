"""Which trials are still missing until an arm has been judged often enough.

Every phase asks through here, so seeds are paired, retries are bounded and
nothing is run twice, whoever asks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count

from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Want:
    """An arm, to be judged on its first `count` seeds."""

    arm: Arm
    count: int
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Seat:
    """One arm with one seed: what became of it so far."""

    resolved: bool
    running: bool
    attempts: int
    retry: bool

    def open(self, retries: int) -> bool:
        """Whether it should be launched, for the first time or again."""
        if self.resolved or self.running:
            return False
        return self.attempts == 0 or (self.retry and self.attempts <= retries)


def missing(session: Session, wants: Iterable[Want]) -> tuple[Trial, ...]:
    """The trials to launch now so that every want is met, numbered on from the session's."""
    retries = session.experiment.budget.retries
    asked: dict[tuple[Arm, int], Purpose] = {}
    for want in wants:
        for seed in seeds(session, want.count):
            if seat(session, want.arm, seed).open(retries):
                asked.setdefault((want.arm, seed), want.purpose)
    first = len(session.launched)
    return tuple(
        Trial(first + i, arm, seed, purpose)
        for i, ((arm, seed), purpose) in enumerate(asked.items())
    )


def numbered(
    session: Session, sets: Sequence[frozenset[str]], purpose: Purpose
) -> tuple[Trial, ...]:
    """Sets of additions as trials, each on the next seed that its arm has not had.

    Where the failure shows on some seeds only, those on which everything on failed
    come first: on the others a culprit would look innocent.
    """
    first = len(session.launched)
    telling = _telling_seeds(session)
    taken: set[tuple[Arm, int]] = set()
    for subset in sets:
        arm = Arm(subset)
        free = (
            (arm, seed)
            for seed in chain(telling, count(session.experiment.seed))
            if (arm, seed) not in taken and seat(session, arm, seed).attempts == 0
        )
        taken.add(next(free))
    return tuple(
        Trial(first + i, arm, seed, purpose)
        for i, (arm, seed) in enumerate(
            sorted(taken, key=lambda t: (sets.index(t[0].additions), t[1]))
        )
    )


def _telling_seeds(session: Session) -> tuple[int, ...]:
    """The seeds on which everything on broke, if it trained on others; else none."""
    runs = session.runs(Arm(session.experiment.full))
    if not 0 < broken_share(runs) < 1:
        return ()
    return tuple(e.trial.seed for e in runs if e.verdict.outcome is Outcome.BROKEN)


def again(session: Session, purpose: Purpose) -> tuple[Trial, ...]:
    """Trials of a purpose that could not be judged and are worth another attempt."""
    lost = {
        (e.trial.arm, e.trial.seed): None
        for e in session.of(purpose)
        if e.verdict.outcome is Outcome.UNRESOLVED and e.verdict.retry
    }
    retries, first = session.experiment.budget.retries, len(session.launched)
    seats = [(arm, seed) for arm, seed in lost if seat(session, arm, seed).open(retries)]
    return tuple(Trial(first + i, arm, seed, purpose) for i, (arm, seed) in enumerate(seats))


def pending(session: Session, wants: Iterable[Want]) -> bool:
    """Whether a wanted trial is still running."""
    return any(
        seat(session, w.arm, seed).running for w in wants for seed in seeds(session, w.count)
    )


def seat(session: Session, arm: Arm, seed: int) -> Seat:
    """What became of an arm with a seed."""
    launched = [
        e.trial.number for e in session.launched if (e.trial.arm, e.trial.seed) == (arm, seed)
    ]
    judged = [e for e in session.ended if e.trial.number in launched]
    return Seat(
        resolved=any(e.verdict.outcome is not Outcome.UNRESOLVED for e in judged),
        running=len(judged) < len(launched),
        attempts=len(launched) - sum(e.verdict.interrupted for e in judged),
        retry=all(e.verdict.retry for e in judged),
    )


def seeds(session: Session, count: int) -> range:
    """The first `count` seeds: the same ones for every arm."""
    return range(session.experiment.seed, session.experiment.seed + count)


def seeds_used(session: Session, arm: Arm, before: int | None = None) -> int:
    """How many seeds an arm has been launched on, by trials numbered below `before`."""
    numbers = [
        e.trial.seed - session.experiment.seed
        for e in session.launched
        if e.trial.arm == arm and (before is None or e.trial.number < before)
    ]
    return max(numbers, default=-1) + 1


def broken_share(runs: tuple[Judged, ...]) -> float:
    """The share of broken runs among judged ones; 0 if there are none."""
    return sum(e.verdict.outcome is Outcome.BROKEN for e in runs) / max(1, len(runs))
