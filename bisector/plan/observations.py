"""What a planner may learn from a session: the judged runs of plain arms, and nothing else.

A broken run teaches blame only if it failed the way the user's full recipe fails;
one that failed differently says that the arm cannot be judged, not who is guilty.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from bisector.model.experiment import Experiment
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm
from bisector.model.verdict import Outcome, Signature

Subset = frozenset[str]


@dataclass(frozen=True, slots=True)
class Run:
    """One judged run of a plain arm."""

    subset: Subset
    failed: bool
    score: float | None
    """The deciding metric, in its own units; None where the run left none."""
    seconds: float


@dataclass(frozen=True)
class Observations:
    """The planner's evidence, in the order in which it came."""

    runs: tuple[Run, ...] = ()
    unresolved: tuple[Subset, ...] = ()
    """Arms that could not be judged, or failed another way; once per run."""
    pending: tuple[Subset, ...] = ()
    """Arms that are training now."""
    others: tuple[Signature, ...] = ()
    """Failures met on the way that are not the one that is searched for."""

    def count(self, subset: Subset) -> tuple[int, int]:
        """How often `subset` has failed, and how often it has passed."""
        return self._tally[subset, True], self._tally[subset, False]

    @cached_property
    def _tally(self) -> Mapping[tuple[Subset, bool], int]:
        return Counter((run.subset, run.failed) for run in self.runs)


def observe(session: Session) -> Observations:
    """The evidence in a session. Runs with tweaks or another learning rate are left out."""
    judged = [e for e in session.judged if e.trial.arm.plain]
    wanted = failure(session.experiment, judged)
    given_up = _given_up(session, judged)
    runs, unresolved, others = [], [], []
    for event in judged:
        match _resolve(event, wanted):
            case Outcome.UNRESOLVED:
                if not event.verdict.retry or (event.trial.arm, event.trial.seed) in given_up:
                    unresolved.append(event.trial.arm.additions)
                if event.verdict.outcome is Outcome.BROKEN and event.verdict.signature:
                    others.append(event.verdict.signature)
            case outcome:
                failed = outcome is Outcome.BROKEN
                runs.append(_run(event, failed=failed, scored=not session.experiment.also))
    pending = tuple(e.trial.arm.additions for e in session.running if e.trial.arm.plain)
    return Observations(tuple(runs), tuple(unresolved), pending, tuple(dict.fromkeys(others)))


def _given_up(session: Session, judged: Iterable[Judged]) -> set[tuple[Arm, int]]:
    """Arms and seeds lost as often as is tried: what a machine may do once, a set does always."""
    lost = Counter(
        (e.trial.arm, e.trial.seed) for e in judged if e.verdict.retry and not e.verdict.interrupted
    )
    return {seat for seat, times in lost.items() if times > session.experiment.budget.retries}


def failure(experiment: Experiment, judged: Iterable[Judged]) -> Signature | None:
    """The failure that the search is about: the full recipe's, by majority of its broken runs.

    None while the full recipe has not failed: then every failure counts.
    """
    full = Arm(experiment.full)
    seen = [
        e.verdict.signature
        for e in judged
        if e.trial.arm == full and e.verdict.outcome is Outcome.BROKEN and e.verdict.signature
    ]
    if not seen:
        return None
    return max(seen, key=lambda s: sum(s.like(other) for other in seen))


def _resolve(event: Judged, wanted: Signature | None) -> Outcome:
    verdict = event.verdict
    if verdict.outcome is Outcome.BROKEN and verdict.signature and wanted:
        return Outcome.BROKEN if verdict.signature.like(wanted) else Outcome.UNRESOLVED
    return verdict.outcome


def _run(event: Judged, *, failed: bool, scored: bool) -> Run:
    """A run as the planner sees it; where several measurements decide, no one score tells enough."""
    score = event.verdict.score if scored else None
    return Run(event.trial.arm.additions, failed, score, event.seconds)
