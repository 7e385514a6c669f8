"""The pictures of a search's inspections: what the network received before anything was trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bisector import rundir
from bisector.model.session import Session
from bisector.model.trial import Purpose
from bisector.report.arms import arm_name
from bisector.report.pictures import Pictures, pictures_in


@dataclass(frozen=True, slots=True)
class InspectedArm:
    """An arm that was looked at."""

    name: str
    run: int
    pictures: Pictures


def inspected_arm(session: Session, home: str) -> InspectedArm | None:
    """The arm that was looked at last, which is the one that is accused; None: none was drawn.

    Args:
        session: the search.
        home: its folder; empty where that is not known.
    """
    return next(_drawn(session, Path(home)), None) if home else None


def _drawn(session: Session, home: Path) -> Iterator[InspectedArm]:
    for event in reversed(session.launched):
        if event.trial.purpose is not Purpose.INSPECT:
            continue
        pictures = pictures_in(rundir.of(home, event.trial.number))
        if pictures is not None and pictures.gallery is not None:
            name = arm_name(session.experiment, event.trial.arm)
            yield InspectedArm(name, event.trial.number, pictures)
