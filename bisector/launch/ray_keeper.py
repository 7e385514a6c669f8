"""What runs on a node of a Ray cluster: the keeper of one job, and how its files come back.

A node need not share any files with the machine that searches. So a job runs in a
folder of the node's own, made from the files that were sent along, and whoever asks
is told what has changed there since. This module is all that both sides know.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bisector.launch.handle import record_cancelled
from bisector.launch.job_file import write_job
from bisector.launch.wrap import GUEST
from bisector.ports import Job
from bisector.rundir import EXIT, JOB, LOG, METRICS, PROCESS

ROOM = 4 * 2**20
"""Bytes of files in one answer."""
GROWING = (METRICS, LOG)
"""Files that only grow: of these, only what is new is sent."""
_STAYS = (PROCESS, JOB)
"""What means something on the node only."""
_TAIL = 64
_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Order:
    """A job as it is sent to a node."""

    job: Job
    folders: tuple[str, ...]
    """Those in its run directory, by path below it, and itself."""
    files: Mapping[str, bytes]
    """What its run directory holds, by path below it."""
    links: Mapping[str, str]
    """The same of symbolic links: where they point to."""
    python: str
    """The interpreter on the machine that searches; the node's own takes its place."""
    cwd: str | None
    """The folder from which bisect was started, if its files are sent along; else None."""


@dataclass(frozen=True, slots=True)
class Known:
    """How much of a file has arrived."""

    stamp: tuple[int, int]
    """Its size and time of change when it was last read."""
    sent: int
    tail: bytes = b""
    """The last bytes that arrived, by which a file that grew is told from one begun anew."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file, to be written at `offset`; `known` says what has arrived with it."""

    name: str
    offset: int
    data: bytes
    known: Known

    @property
    def whole(self) -> bool:
        """Whether the file is complete with this piece."""
        return self.known.sent >= self.known.stamp[0]


@dataclass(frozen=True, slots=True)
class News:
    """What has changed in a run directory."""

    pieces: tuple[Piece, ...]
    more: bool
    """Whether there was no room for all; ask again."""
    over: bool
    """Whether nobody looks after the job any more: it has ended, or been lost."""


class Keeper:
    """Looks after one job on its node; an actor, so it outlives who has ordered it."""

    def __init__(self, order: Order) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="bisect-"))
        self._rundir = self._folder / "run"
        for name in order.folders:
            (self._rundir / name).mkdir(parents=True, exist_ok=True)
        for name, data in order.files.items():
            (self._rundir / name).write_bytes(data)
        for name, target in order.links.items():
            (self._rundir / name).symlink_to(here(target, order, self._rundir))
        write_job(moved(order, self._rundir))
        wrapper = [sys.executable, "-P", "-m", "bisector.launch.wrap", str(self._rundir), GUEST]
        self._wrapper = subprocess.Popen(
            wrapper,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def news(self, known: Mapping[str, Known]) -> News:
        """What has changed since; exit.json comes last and alone."""
        over = self._wrapper.poll() is not None  # Asked first: what is read after it is final.
        room = ROOM
        pieces: list[Piece] = []
        for piece in self._pieces(known):
            if room <= 0 or (piece.name == EXIT and (pieces or not over)):
                return News(tuple(pieces), more=room <= 0 or over, over=over)
            pieces.append(piece)
            room -= len(piece.data)
            if not piece.whole:
                return News(tuple(pieces), more=True, over=over)
        return News(tuple(pieces), more=False, over=over)

    def cancel(self) -> None:
        """End the job; returns when it and all its children are gone."""
        record_cancelled(self._rundir)
        self._wrapper.send_signal(signal.SIGTERM)
        try:
            self._wrapper.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._wrapper.kill()

    def leave(self) -> None:
        """Remove the run's files from the node."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _pieces(self, known: Mapping[str, Known]) -> Iterator[Piece]:
        paths = sorted(self._rundir.rglob("*"), key=lambda p: (p.name == EXIT, str(p)))
        for path in paths:
            name = path.relative_to(self._rundir).as_posix()
            if name in _STAYS or path.suffix == ".part" or path.is_symlink() or not path.is_file():
                continue
            while (piece := next_piece(path, name, known.get(name))) is not None:
                known = {**known, name: piece.known}
                yield piece


def next_piece(path: Path, name: str, known: Known | None) -> Piece | None:
    """The next part of a file that has not arrived yet; None if all of it has."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            stamp = (status.st_size, status.st_mtime_ns)
            if known is not None and known.stamp == stamp and known.sent >= stamp[0]:
                return None
            offset = 0 if known is None else known.sent
            if known is None or not _goes_on(file.fileno(), name, known, stamp):
                offset = 0
            data = os.pread(file.fileno(), min(ROOM, stamp[0] - offset), offset)
    except FileNotFoundError:
        return None
    start = known.tail if known is not None and offset else b""
    return Piece(name, offset, data, Known(stamp, offset + len(data), (start + data)[-_TAIL:]))


def _goes_on(file: int, name: str, known: Known, stamp: tuple[int, int]) -> bool:
    """Whether what has arrived of a file is still its beginning."""
    if known.stamp == stamp:
        return True
    tail = os.pread(file, len(known.tail), known.sent - len(known.tail))
    return name in GROWING and stamp[0] >= known.sent and tail == known.tail


def moved(order: Order, rundir: Path) -> Job:
    """The job as it is to run on this node."""
    job = order.job
    argv = [here(word, order, rundir) for word in job.argv]
    if argv[0] == order.python:
        argv[0] = sys.executable
    cwd = None if job.cwd is None else Path(here(str(job.cwd), order, rundir))
    env = {name: here(value, order, rundir) for name, value in job.env.items()}
    return replace(job, argv=tuple(argv), rundir=rundir, env=env, cwd=cwd)


def here(text: str, order: Order, rundir: Path) -> str:
    """A word with the paths of the machine that searches replaced by this node's."""
    text = text.replace(str(order.job.rundir), str(rundir))
    if order.cwd is not None and Path(text).is_relative_to(order.cwd):
        return str(Path.cwd() / Path(text).relative_to(order.cwd))
    return text


def place(rundir: Path, piece: Piece) -> None:
    """Put a piece that has arrived where it belongs; a file shows only when it is whole."""
    target = rundir / piece.name
    path = target if piece.name in GROWING else target.with_name(target.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if piece.offset else "wb") as file:
        file.seek(piece.offset)
        file.write(piece.data)
    if piece.whole and path != target:
        path.replace(target)
