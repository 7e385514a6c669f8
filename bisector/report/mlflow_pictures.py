"""Pictures of a search as pages that MLflow shows by themselves, each with the runs it belongs to.

What was seen inside a watched run is with that run; what an inspection drew is with the first run of
its arm, since a look is no run. The parent has all of them.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bisector import rundir
from bisector.model.finding import Facts
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Trial
from bisector.report.arms import arm_name
from bisector.report.heat_picture import WatchedRun, watched_run
from bisector.report.html import environment
from bisector.report.pictures import pictures_in

FOLDER = "pictures"
"""Of the parent's artifacts."""
INSIDE, RECEIVED = "inside.html", "received.html"
_LETTERS = 60


@dataclass(frozen=True, slots=True)
class Page:
    """One page, and where it is to be kept."""

    trial: int | None
    """The number of the trial whose run has it; None: the parent."""
    path: str
    make: Callable[[], str]
    """Its text; made only if it is lacking."""


def pages(session: Session, home: Path, facts: Callable[[int], Facts]) -> Iterator[Page]:
    """All pages that can be made now.

    Args:
        session: the search.
        home: its folder.
        facts: what was seen of a trial, by its number.
    """
    for event in session.judged:
        yield from _inside(session, event, home, facts)
    for event in session.ended:
        if not event.trial.arm.trained:
            yield from _received(session, event.trial, home)


def _inside(
    session: Session, event: Judged, home: Path, facts: Callable[[int], Facts]
) -> Iterator[Page]:
    trial = event.trial
    if not (rundir.of(home, trial.number) / rundir.OBSERVATIONS).exists():
        return

    def make() -> str:
        return inside(watched_run(session, trial, facts(trial.number)))

    yield Page(trial.number, INSIDE, make)
    yield Page(None, f"{FOLDER}/{_named('inside', session, trial)}", make)


def _received(session: Session, trial: Trial, home: Path) -> Iterator[Page]:
    folder = rundir.of(home, trial.number)
    if not (folder / rundir.PICTURES).exists():
        return

    def make() -> str:
        drawn = pictures_in(folder)
        title = f"{arm_name(session.experiment, Arm(trial.arm.additions))}, before training"
        return _page("pictures.html", title, title, pictures=drawn)

    yield Page(None, f"{FOLDER}/{_named('received', session, trial)}", make)
    first = session.runs(Arm(trial.arm.additions))[:1]
    for event in first:
        yield Page(event.trial.number, RECEIVED, make)


def inside(run: WatchedRun) -> str:
    """A watched run as a page of its own."""
    return _page("heat.html", f"{run.name}, run {run.number}", "Inside the run", watched=[run])


def _page(body: str, title: str, heading: str, **what: object) -> str:
    """A page around one of the report's parts."""
    frame = environment().get_template("picture_page.html")
    return frame.render(body=body, title=title, heading=heading, **what)


def _named(what: str, session: Session, trial: Trial) -> str:
    """`inside-021-focal.html`: it becomes a part of addresses, so little but letters is left."""
    arm = arm_name(session.experiment, Arm(trial.arm.additions))
    plain = "-".join(re.findall(r"[\w-]+", arm))[:_LETTERS]
    return f"{what}-{trial.number:03d}-{plain}.html"
