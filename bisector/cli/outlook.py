"""How much a search will take: rehearsed, and timed by what ran before in the same folder."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bisector.cli.search import Search
from bisector.errors import JournalError
from bisector.journal import Journal
from bisector.model.experiment import Experiment
from bisector.plan.rehearsal import rehearse
from bisector.plan.space import KIND_PRIOR
from bisector.rundir import JOURNAL

_THOROUGH_UP_TO = 24
"""Additions up to which three culprits are imagined; beyond, a rehearsal takes seconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run took before."""

    seconds: float
    runs: int
    """How many were timed."""
    where: Path
    """The journal that tells."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The runs that a search takes from its beginning, all of them estimates."""

    nothing_breaks: int
    one_culprit: tuple[int, int]
    """The least and the most among the culprits imagined."""
    slots: int
    pace: Pace | None
    """None: no run has been timed yet."""

    @property
    def seconds(self) -> float | None:
        """Wall time if one addition is to blame; None: not known."""
        if self.pace is None:
            return None
        return self.pace.seconds * self.one_culprit[1] / self.slots


def outlook(what: Search, home: Path, slots: int) -> Outlook:
    """What the search of `what` takes with `slots` runs at a time."""
    experiment, phases = what.experiment, what.phases
    spent = [
        rehearse(experiment, phases, culprit, slots).spent for culprit in _imagined(experiment)
    ]
    return Outlook(
        nothing_breaks=rehearse(experiment, phases, None, slots).spent,
        one_culprit=(min(spent), max(spent)),
        slots=slots,
        pace=pace(home),
    )


def pace(home: Path) -> Pace | None:
    """The mean time of a run in the folder's search, or else in the last one set aside there."""
    shelf = sorted((home / "earlier").glob("*"), key=lambda p: p.name.zfill(9), reverse=True)
    for folder in (home, *shelf):
        try:
            session = Journal(folder / JOURNAL).load()
        except JournalError:
            continue
        if session and session.judged:
            seconds = [e.seconds for e in session.judged]
            return Pace(fmean(seconds), len(seconds), folder / JOURNAL)
    return None


def prior(experiment: Experiment, name: str) -> float:
    """How suspect an addition is before any run: as configured, or else by its kind."""
    addition = next(a for a in experiment.additions if a.name == name)
    return KIND_PRIOR[addition.kind] if addition.prior is None else addition.prior


def _imagined(experiment: Experiment) -> tuple[str, ...]:
    """The first, the middle and the last addition; of many, only the one most suspect."""
    names = [a.name for a in experiment.additions if a.name in experiment.full]
    if len(names) > _THOROUGH_UP_TO:
        return (max(names, key=lambda name: prior(experiment, name)),)
    return tuple(dict.fromkeys((names[0], names[len(names) // 2], names[-1])))
