"""The live view on a terminal; the same summary as in plain lines when it closes."""

from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bisector.model.evidence import Evidence
from bisector.model.session import Event, Session, Suspect
from bisector.report.advice import Places
from bisector.report.estimate import entropy, left
from bisector.report.lines import summary_lines
from bisector.report.panel import Frame, Picture, draw
from bisector.report.summary import summarise
from bisector.report.terminal import Rank

_EVERY = 0.25
"""Seconds between frames at the least."""

_STYLES = MappingProxyType(
    {"title": "bold", "bad": "red", "good": "green", "dim": "dim", "code": "bold", "": ""}
)


class LiveReporter:
    """Redraws one picture in place.

    Frames are drawn by the caller's own thread, so that nothing is left running
    when the caller forks or dies.
    """

    def __init__(self, console: Console, rank: Rank, places: Places | None = None) -> None:
        self._console = console
        self._rank = rank
        self._places = places or Places()
        self._live = self._blank()
        self._ranked: tuple[Suspect, ...] = ()
        self._running: Mapping[int, Evidence] = {}
        self._at_start = 0.0
        self._began = self._drawn = float("-inf")
        self._width = console.width

    def update(self, session: Session, event: Event, evidence: Evidence | None) -> None:
        """Think again, then draw."""
        self._start(session)
        self._ranked = self._rank(session)
        self._draw(session)

    def progress(self, session: Session, running: Mapping[int, Evidence]) -> None:
        """Draw what the running trials have done."""
        self._start(session)
        self._running = running
        self._draw(session)

    def close(self, session: Session) -> None:
        """Wipe the picture and print the summary, which stays."""
        self._live.stop()
        ranked = self._ranked or self._rank(session)
        summary = summarise(session, ranked, places=self._places)
        for line in summary_lines(summary, self._console.width):
            # Soft wrap: what is to be pasted must not be cut into lines.
            self._console.print(Text(line.text, _STYLES[line.style]), soft_wrap=True)

    def _start(self, session: Session) -> None:
        """Open the view at the first call, which is late in a session that is taken up again."""
        if self._live.is_started:
            return
        self._began = self._console.get_time()
        self._at_start = entropy(self._rank(Session(session.experiment)))
        self._ranked = self._rank(session)
        self._live.start()

    def _draw(self, session: Session) -> None:
        now = self._console.get_time()
        if now - self._drawn < _EVERY:
            return
        self._drawn = now
        if self._console.width != self._width:
            self._resized()
        size, options = self._console.size, self._console.options
        told = left(session, self._ranked, self._at_start)
        picture = Picture(session, self._ranked, self._running, now - self._began, told)
        frame = Frame(size.width, size.height, options.ascii_only)
        self._live.update(draw(picture, frame), refresh=True)

    def _resized(self) -> None:
        """Begin on an empty screen: the terminal has broken the old frame's lines anew."""
        self._width = self._console.width
        self._live.stop()
        self._console.clear()
        self._live = self._blank()
        self._live.start()

    def _blank(self) -> Live:
        return Live(console=self._console, auto_refresh=False, transient=True)
