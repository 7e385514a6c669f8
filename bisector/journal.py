"""The journal: events appended to a file, and a session read back from it.

The journal is the truth about a search. A line counts once its newline is on
disk; whatever follows the last newline was being written when somebody died.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import IO, Any, Union, get_args, get_origin, get_type_hints

from bisector.errors import JournalError
from bisector.model import session as events
from bisector.model.session import Event, Opened, Session

_EVENTS: dict[str, type[Event]] = {
    c.__name__: c
    for c in (
        events.Opened,
        events.Launched,
        events.Judged,
        events.Accused,
        events.Diagnosed,
        events.Explained,
        events.Concluded,
    )
}

_LOCK = "lock"
_ATTEMPTS = 5


class Journal:
    """An append-only file of events, one JSON object per line, with one writer at a time."""

    def __init__(self, path: Path, conceal: Callable[[object], object] = lambda row: row) -> None:
        """The journal in `path`; `conceal` takes out of a line, as plain JSON, what nobody is to read."""
        self.path = path
        self._conceal = conceal
        self._lock: IO[str] | None = None

    def append(self, event: Event) -> None:
        """Add one event; it is on disk when this returns.

        Raises:
            OSError: the disk is full or gone; nothing but a torn last line was written.
        """
        row = {"event": type(event).__name__, **_plain(event)}
        line = json.dumps(self._conceal(row)) + "\n"
        fresh = not self.path.exists()
        with self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            _sync_folder(self.path.parent)

    def load(self) -> Session | None:
        """The session so far; None if nothing was ever recorded. A torn last line is ignored.

        Raises:
            JournalError: a whole line is not an event of this version.
        """
        if not self.path.exists():
            return None
        whole, _, _ = self.path.read_bytes().rpartition(b"\n")
        lines = whole.decode(errors="replace").split("\n") if whole else []
        loaded = [self._event(number, line) for number, line in enumerate(lines, 1)]
        if not loaded:
            return None
        if not isinstance(loaded[0], Opened):
            raise self._damaged(1, "a session begins with an `Opened` event")
        # The terms of a search, such as its budget, may change between one start and the next.
        terms = next(e for e in reversed(loaded) if isinstance(e, Opened))
        return Session(terms.experiment, tuple(loaded))

    def cut_torn_line(self) -> int:
        """Remove what was being written when the last writer died; how many bytes that was."""
        if not self.path.exists():
            return 0
        text = self.path.read_bytes()
        torn = len(text) - (text.rfind(b"\n") + 1)
        if torn:
            with self.path.open("r+b") as file:
                file.truncate(len(text) - torn)
                os.fsync(file.fileno())
        return torn

    def acquire(self) -> None:
        """Become the only writer, until this process ends or `release` is called.

        Raises:
            JournalError: another process holds the session; the message names it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = (self.path.parent / _LOCK).open("a+", encoding="utf-8")
        if not _taken(lock):
            lock.close()
            raise JournalError(
                f"{self.path.parent} is being searched by {self.holder() or 'another process'}.",
                hint="Watch it with `bisect status`, or wait for it to end.",
            )
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Let another process write."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def holder(self) -> str | None:
        """Who is writing now, in words; None: nobody is. For readers, who never write."""
        try:
            lock = (self.path.parent / _LOCK).open(encoding="utf-8")
        except FileNotFoundError:
            return None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "another process"
        return None

    def _event(self, number: int, line: str) -> Event:
        try:
            row = json.loads(line)
            kind = _EVENTS[row.pop("event")]
            return _typed(kind, row)  # type: ignore[no-any-return]
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise self._damaged(number, f"{type(e).__name__}: {e}") from None

    def _damaged(self, number: int, why: str) -> JournalError:
        keep = f"head -n {number - 1} {self.path} > good && mv good {self.path}"
        return JournalError(
            f"{self.path}:{number} is not an event of this version ({why}).",
            hint=f"Go back to the last good event with `{keep}` and run again, or start over with --fresh.",
        )


def _taken(lock: IO[str]) -> bool:
    """Whether the lock is ours now; who only asks for the holder has it for an instant."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _typed(kind: Any, value: Any) -> Any:
    """Rebuild a value of the annotated type from plain JSON."""
    return _reader(kind)(value)


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What rebuilds values of a type, worked out once: a journal holds a type thousands of times."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        inner = _reader(next(a for a in args if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin in (tuple, frozenset):
        inner = _reader(args[0])
        return origin if inner is _as_it_is else lambda value: origin(map(inner, value))
    if origin is Mapping:
        inner = _reader(args[1])
        return lambda value: {k: inner(v) for k, v in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return _record_reader(kind)
    return kind if isinstance(kind, type) and issubclass(kind, Enum) else _as_it_is


def _record_reader(kind: type) -> Callable[[Any], Any]:
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}
    return lambda value: kind(**{k: readers[k](v) for k, v in value.items()})


def _as_it_is(value: Any) -> Any:
    return value
