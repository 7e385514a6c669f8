"""Plain lines, one for each event: for pipes, log files and `--plain`."""

from collections.abc import Callable, Mapping
from shutil import get_terminal_size
from typing import TextIO

from bisector.model.evidence import Evidence
from bisector.model.session import Event, Session, Suspect
from bisector.report.advice import Places
from bisector.report.lines import Line, event_line, summary_lines
from bisector.report.summary import summarise

Rank = Callable[[Session], tuple[Suspect, ...]]
"""The planner's ranking; up to a tenth of a second a call."""


class TerminalReporter:
    """Writes a line as things happen, with no control characters, and the summary at the end."""

    def __init__(self, out: TextIO, rank: Rank, places: Places | None = None) -> None:
        self._out = out
        self._rank = rank
        self._places = places or Places()

    def update(self, session: Session, event: Event, evidence: Evidence | None) -> None:
        """Show one event; a terminal's lines are cut, lest they wrap, a file's are whole."""
        self._print(event_line(session, event, _width() if self._out.isatty() else None))

    def progress(self, session: Session, running: Mapping[int, Evidence]) -> None:
        """Nothing: lines that change nothing would only fill a log."""

    def close(self, session: Session) -> None:
        """The summary."""
        summary = summarise(session, self._rank(session), places=self._places)
        for line in summary_lines(summary, _width()):
            self._print(line)

    def _print(self, line: Line) -> None:
        encoding = self._out.encoding or "utf-8"
        print(line.text.encode(encoding, "replace").decode(encoding), file=self._out, flush=True)


def _width() -> int:
    return get_terminal_size((80, 24)).columns
