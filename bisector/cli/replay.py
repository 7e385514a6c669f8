"""`bisect replay FILE`: a search from a copy of its journal, to go on with, like `git bisect replay`.

The copy may have been edited: a judgement that is taken out is made again, and whatever
follows from it with it.
"""

import argparse
import shutil
from pathlib import Path

from bisector import rundir
from bisector.cli.given import home_of, writable
from bisector.cli.opening import set_aside
from bisector.errors import ConfigError, JournalError
from bisector.journal import Journal
from bisector.model.session import Concluded, Session
from bisector.report.lines import event_line


def main(args: argparse.Namespace) -> int:
    """Exit code 0 once the search stands as the file tells it.

    Raises:
        ConfigError: no file is named, or it is none.
        JournalError: the file is no journal, or somebody is searching where it is to go.
    """
    path, name = _asked(args.words)
    session = Journal(path).load()
    if session is None:
        raise JournalError(f"{path} holds no event.", hint="`bisect log --json` prints a journal.")
    _check_whole(session, path)
    home = home_of(args.out, name or session.experiment.name)
    writable(home)
    journal = Journal(home / rundir.JOURNAL)
    journal.acquire()
    try:
        _replay(session, journal, home)
    finally:
        journal.release()
    print(f"{len(session.launched)} runs stand in {home}; `bisect run` goes on from here.")
    return 0


def _asked(words: list[str]) -> tuple[Path, str]:
    names = [w.removeprefix("name=") for w in words if w.startswith("name=")]
    files = [Path(w) for w in words if not w.startswith("name=")]
    if len(files) != 1 or not files[0].is_file():
        found = ", ".join(map(str, files)) or "nothing"
        raise ConfigError(
            f"`bisect replay` takes one journal, and was given {found}.",
            hint="Write one with `bisect log conf=NAME --json > journal.jsonl`.",
        )
    return files[0], names[-1] if names else ""


def _check_whole(session: Session, path: Path) -> None:
    """See that no launch was taken out: a run's number is its place in the session.

    Raises:
        JournalError: one was.
    """
    numbers = [e.trial.number for e in session.launched]
    lost = sorted({*range(len(numbers))} - {*numbers})
    stray = {e.trial.number for e in session.judged} - {*numbers}
    if lost or stray:
        missing = min([*lost, *stray])
        raise JournalError(
            f"{path} lacks the `Launched` event of run {missing}.",
            hint="To have a run judged again, take out its `Judged` line alone; to have it "
            "trained again, all lines from its launch on.",
        )


def _replay(session: Session, journal: Journal, home: Path) -> None:
    """The events, one by one, in a fresh session that keeps the runs it tells of."""
    set_aside(home)
    shelves = sorted((home / "earlier").glob("*"), key=lambda p: int(p.name))
    for launched in session.launched:
        kept = rundir.of(home, launched.trial.number)
        old = shelves and rundir.of(shelves[-1], launched.trial.number)
        if old and old.is_dir():
            shutil.copytree(old, kept)
    told = Session(session.experiment)
    for event in session.events:
        # What was concluded follows from the rest, and the rest may have been changed.
        if not isinstance(event, Concluded):
            journal.append(event)
            told = told.add(event)
            print(event_line(told, event).text)
