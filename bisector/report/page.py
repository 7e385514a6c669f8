"""Keeps the report page on disk in step with the search: written when it ends or is stopped."""

from collections.abc import Callable, Mapping
from pathlib import Path

from bisector.model.evidence import Evidence
from bisector.model.finding import Facts
from bisector.model.session import Event, Session
from bisector.report.advice import Places
from bisector.report.belief_picture import history
from bisector.report.html import Further, nothing_seen, write_report
from bisector.report.terminal import Rank


class PageReporter:
    """Writes one page, at the end; a search in progress is for the terminal to show."""

    def __init__(
        self,
        path: Path,
        rank: Rank,
        evidence: Callable[[int], Evidence],
        places: Places,
        facts: Callable[[int], Facts] = nothing_seen,
    ) -> None:
        self._path, self._rank, self._evidence, self._places = path, rank, evidence, places
        self._facts = facts

    def update(self, session: Session, event: Event, evidence: Evidence | None) -> None:
        """Nothing: see `close`."""

    def progress(self, session: Session, running: Mapping[int, Evidence]) -> None:
        """Nothing: see `close`."""

    def close(self, session: Session) -> None:
        """Write the page."""
        further = Further(history(session, self._rank), self._facts)
        write_report(
            session,
            self._rank(session),
            self._evidence,
            self._path,
            places=self._places,
            further=further,
        )
