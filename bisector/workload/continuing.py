"""Longer trainings go on from where shorter ones ended: whose state is kept, and who begins with it.

States lie in run directories (`rundir.KEPT`), of runs that a longer training may be asked to extend
and as long as it may; all together are no larger than `budget.states_mb`.
"""

import json
import shutil
from pathlib import Path

from bisector import rundir as names
from bisector.model.continuation import extends, may_be_extended, origins
from bisector.model.session import Session
from bisector.model.trial import Trial
from bisector.model.verdict import Outcome

SHARE = 0.25
"""Of all room for states, what one run may take at most."""


def prepare(session: Session, trial: Trial, rundir: Path) -> None:
    """Tell a run what it may keep at its end, and give it what it goes on from, if that was kept."""
    home = rundir.parent
    _let_go(session, home)
    if may_be_extended(session, trial):
        room = min(_room(session, home), SHARE * session.experiment.budget.states_mb)
        if room > 0:
            names.write_json(rundir / names.KEEP, {"mb": room})
    if extends(session.experiment, trial.arm):
        _begin(session, trial, rundir)


def forget(home: Path) -> None:
    """Remove all states of a search: it has ended, and none will be asked for any more."""
    for name in (names.KEPT, names.BEGIN):
        for path in (home / "runs").glob(f"*/{name}"):
            path.unlink(missing_ok=True)


def _begin(session: Session, trial: Trial, rundir: Path) -> None:
    """Put the state and the measurements of the run to be extended into a run's directory."""
    folders = {n: rundir.parent / f"{n:03d}" for n in origins(session, trial)}
    for number, folder in folders.items():
        # A training that saves by itself has left its own.
        kept = next((p for n in (names.KEPT, names.CHECKPOINT) if (p := folder / n).exists()), None)
        if kept is not None and (folder / names.METRICS).exists():
            _same_file(kept, rundir / names.BEGIN)
            shutil.copyfile(folder / names.METRICS, rundir / names.METRICS)
            names.write_json(rundir / names.FACTS, {"continues": number})
            return


def _same_file(there: Path, here: Path) -> None:
    """A second name for a file, or a copy where the file system knows no such thing."""
    here.unlink(missing_ok=True)  # Of a preparation that was killed before its launch.
    try:
        here.hardlink_to(there)
    except OSError:
        shutil.copyfile(there, here)


def _let_go(session: Session, home: Path) -> None:
    """Remove what nobody will ask for: nothing is extended that has trained already."""
    for event in session.judged:
        folder = home / f"{event.trial.number:03d}"
        if event.verdict.outcome is Outcome.HEALTHY:
            (folder / names.KEPT).unlink(missing_ok=True)
        (folder / names.BEGIN).unlink(missing_ok=True)


def _room(session: Session, home: Path) -> float:
    """MiB that are neither taken nor promised."""
    taken = sum(p.stat().st_size for p in home.glob(f"*/{names.KEPT}")) / 2**20
    running = (home / f"{e.trial.number:03d}" / names.KEEP for e in session.running)
    wishes = (json.loads(p.read_text(encoding="utf-8")) for p in running if p.exists())
    promised = sum(float(wish["mb"]) for wish in wishes)
    return session.experiment.budget.states_mb - taken - promised
