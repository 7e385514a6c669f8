"""Every judged run in a row, with the command that does it once more."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from bisector import rundir
from bisector.model.session import Judged, Session
from bisector.report.advice import Places
from bisector.report.arms import arm_name
from bisector.report.wording import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in the table of every run."""

    number: int
    purpose: str
    arm: str
    seed: int
    outcome: str
    """`healthy`, `broken` or `unresolved`."""
    score: float | None
    """The deciding metric; null of a run that was stopped early or logged none."""
    seconds: float
    """Wall time of the training process."""
    because: str
    """Why it was judged so, with the numbers."""
    again: str
    """A command that does it once more; empty where the session's folder is not known."""


def run_rows(session: Session, places: Places) -> tuple[RunRow, ...]:
    """All judged runs by number."""
    judged = sorted(session.judged, key=lambda e: e.trial.number)
    return tuple(_row(session, places, e) for e in judged)


def _row(session: Session, places: Places, event: Judged) -> RunRow:
    trial, verdict = event.trial, event.verdict
    return RunRow(
        number=trial.number,
        purpose=trial.purpose.value,
        arm=arm_name(session.experiment, trial.arm),
        seed=trial.seed,
        outcome=verdict.outcome.value,
        score=verdict.score,
        seconds=event.seconds,
        because=clean(verdict.because) + (", stopped early" if verdict.early else ""),
        again=_again(places, trial.number),
    )


def _again(places: Places, number: int) -> str:
    """A copy of the run directory's orders, carried out."""
    if not places.home:
        return ""
    old, new = rundir.of(Path(places.home), number), Path(f"again-{number:03d}")
    orders = " ".join(shlex.quote(str(old / name)) for name in (rundir.JOB, rundir.CONFIG))
    run = f'{places.python} -m bisector.launch.wrap "$PWD/{new}"'
    # A run of ours prints nothing and leaves its metrics; a command may leave its log alone.
    said = f"tail {new / rundir.LOG} {new / rundir.METRICS} 2>/dev/null"
    return f"mkdir {new}; cp {orders} {new}; {run}; {said}"
