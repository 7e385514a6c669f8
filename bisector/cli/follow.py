"""The child that keeps the views up to date, MLflow's and Optuna's: `python -m bisector.cli.follow HOME [SECONDS [STORE]]`.

Reads the journal, never writes it. Ends when its standard input does, having written
what was left, in SECONDS at most. STORE is an MLflow store that takes the place of the session's.
Exit code 0: the view is complete; 1: it is not, and standard error says why.
"""

import fcntl
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from bisector import rundir
from bisector.collect.readers import ReadingCollector, collector_for
from bisector.collect.transcript import Transcripts
from bisector.errors import BisectError, JournalError
from bisector.journal import Journal
from bisector.model.finding import Facts
from bisector.model.session import Opened, Session
from bisector.report.mlflow_child import DRAIN
from bisector.report.mlflow_page import session_key, tracking
from bisector.report.views import viewed
from bisector.rundir import JOURNAL

POLL, LIVE = 1.0, 5.0
"""Seconds between looks at the journal, and at what running trials have logged."""
_BACKOFF = 30.0
"""Longest pause, in seconds, before a store that failed is tried again."""


def main() -> int:
    """The process: as polite as it can be, and alone on its session."""
    home = Path(sys.argv[1])
    drain = int(sys.argv[2]) if len(sys.argv) > 2 else DRAIN
    with suppress(OSError):
        os.nice(10)
    ending = Ending(0)
    try:
        with _alone(home, ending):
            return 0 if follow(home, ending, drain, "".join(sys.argv[3:])) else 1
    except BisectError as e:
        _say(f"{e} {e.hint}")
        return 1


def follow(home: Path, ending: "Ending", drain: int, store: str) -> bool:
    """Keep the view up to date until `ending`, then complete it; whether it is complete."""
    follower = Follower(home, store)
    while not ending.within(POLL):
        follower.look()
    # The kernel ends us, should a call to the store never return.
    signal.alarm(drain)
    return follower.finish()


class Ending:
    """Whether the process that started us is done: its pipe is closed, or it is gone."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._parent = pipe, os.getppid()
        self._over = False

    def within(self, seconds: float) -> bool:
        """Wait so long for the end; whether it has come."""
        if not self._over:
            readable, _, _ = select.select([self._pipe], [], [], seconds)
            # Anything that is read means the end, and so does the end of the file.
            self._over = bool(readable) or os.getppid() != self._parent
        return self._over


class View(Protocol):
    """A place in which the session is shown."""

    def sync(self, session: Session) -> int:
        """Write what it lacks."""
        ...

    def close(self, session: Session) -> int:
        """The same, for the last time."""
        ...


State = tuple[int, int]
"""What changes whenever the journal does."""


class Shown:
    """One view: written when there is something new, ever later while its store is away."""

    def __init__(self, name: str, view: View, away: tuple[type[Exception], ...]) -> None:
        self._name, self._view, self._away = name, view, away
        self._seen: State = (0, 0)
        self._live = math.inf
        self._again = self._pause = 0.0
        self._said = ""

    def due(self, state: State) -> bool:
        """Whether to write now, the journal being as it is."""
        now = time.monotonic()
        return now >= self._again and (state != self._seen or now >= self._live)

    def sync(self, session: Session, state: State) -> None:
        """Write what the store lacks."""
        if self._attempt(self._view.sync, session):
            self._seen = state
            # Running trials log without a word in the journal.
            self._live = time.monotonic() + LIVE if session.running else math.inf

    def close(self, session: Session) -> bool:
        """Write what is left; whether the view is complete."""
        tries = 1 if self._pause else 3
        for number in range(tries):
            time.sleep(number)
            if self._attempt(self._view.close, session):
                return True
        return False

    def _attempt(self, write: Callable[[Session], int], session: Session) -> bool:
        try:
            write(session)
        except self._away as e:
            self._pause = min(max(2 * self._pause, POLL), _BACKOFF)
            self._again = time.monotonic() + self._pause
            self._tell(f"{self._name}: {type(e).__name__}: {e}")
            return False
        if self._pause:
            self._tell(f"{self._name} answers again")
        self._pause = 0.0
        return True

    def _tell(self, what: str) -> None:
        if what != self._said:
            _say(what)
        self._said = what


class Follower:
    """Keeps the views of one session up to date."""

    def __init__(self, home: Path, store: str) -> None:
        self._home, self._store = home, store
        self._views: list[Shown] = []
        self._key = ""

    def look(self) -> None:
        """Bring those views up to date that are due."""
        state = self._state()
        if self._views and not any(view.due(state) for view in self._views):
            return
        if session := self._session():
            for view in self._views:
                if view.due(state):
                    view.sync(session, state)

    def finish(self) -> bool:
        """Write what is left; whether the views are complete."""
        session = self._session()
        complete = [view.close(session) for view in self._views] if session else []
        return all(complete)

    def _session(self) -> Session | None:
        """The session as it is now; None: none yet, or another one has taken its place."""
        session = Journal(self._home / JOURNAL).load()
        if session is None:
            return None
        self._key = self._key or session_key(session)
        self._views = self._views or list(views(self._home, session, self._store))
        return session if session_key(session) == self._key else None

    def _state(self) -> State:
        with suppress(OSError):
            now = (self._home / JOURNAL).stat()
            return (now.st_size, now.st_mtime_ns)
        return (0, 0)


def views(home: Path, session: Session, store: str = "") -> Iterator[Shown]:
    """The views that the session's configuration asks for; each imports what it needs.

    `store` takes the place of the MLflow store that is configured; empty: it does not.
    """
    opened = next(e for e in reversed(session.events) if isinstance(e, Opened))
    where = viewed(opened)
    reader = collector_for(opened.config, {})

    def facts(number: int) -> Facts:
        return reader.look(rundir.of(home, number)).facts

    if isinstance(reader, ReadingCollector):
        # First, since the others show what it writes.
        yield Shown("readings", Transcripts(home, reader), (OSError,))
    if where.mlflow:
        from bisector.report.mlflow import MlflowView  # noqa: PLC0415
        from bisector.report.mlflow_store import AWAY  # noqa: PLC0415

        yield Shown("MLflow", MlflowView(home, *tracking(session, home, store), facts), AWAY)
    if where.optuna:
        from bisector.report.optuna_view import GONE, OptunaView  # noqa: PLC0415

        yield Shown("Optuna", OptunaView(where.optuna), GONE)


@contextmanager
def _alone(home: Path, ending: Ending) -> Iterator[None]:
    """Be the only one who writes this session's view; another may still be finishing.

    Raises:
        JournalError: another one writes it, and we have nothing to wait for.
    """
    with (home / "mlflow.lock").open("a") as lock:
        patience = 10
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if patience == 0:
                    raise JournalError(
                        f"The view of {home} is being written by another process.",
                        hint="It completes the view when the search ends.",
                    ) from None
            patience -= ending.within(POLL)
            time.sleep(POLL / 2)
        yield


def _say(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
