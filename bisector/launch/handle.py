"""What a local launcher calls a job: text that outlives the launcher and names one process."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bisector.errors import LaunchError
from bisector.launch.ending import Ending, Reason
from bisector.launch.hush import hush
from bisector.launch.processes import born, exterminate, wait_until
from bisector.launch.watch import GRACE
from bisector.rundir import EXIT, JOB, PROCESS

_PATIENCE = GRACE + 3.0
"""Seconds that a wrapper has to end its job when told to, before it is killed with it."""


@dataclass(frozen=True, slots=True)
class Handle:
    """The wrapper of one job."""

    pid: int
    started: float | None
    """When the wrapper was born; None: it was gone before anyone looked."""
    rundir: Path
    gpus: tuple[str, ...] = ()

    def __str__(self) -> str:
        return json.dumps(
            {
                "pid": self.pid,
                "started": self.started,
                "rundir": str(self.rundir),
                "gpus": list(self.gpus),
            }
        )

    @classmethod
    def parse(cls, text: str) -> "Handle":
        """The handle that `str` wrote; LaunchError if it is another launcher's."""
        try:
            value = json.loads(text)
            rundir, gpus = Path(value["rundir"]), tuple(value["gpus"])
            return cls(int(value["pid"]), value["started"], rundir, gpus)
        except (ValueError, KeyError, TypeError):
            raise LaunchError(
                f"`{text}` is not a job of the local launcher.",
                hint="Go on with the launcher that started the search, or give it a new name.",
            ) from None

    @property
    def ended(self) -> bool:
        """Whether the job has ended, recorded or not.

        The record is written before the wrapper goes; so a wrapper that is gone has
        either left one or never will.
        """
        return (self.rundir / EXIT).exists() or not self.alive

    @property
    def current(self) -> "Handle":
        """Who looks after the job now: this one, or another that took its place after it."""
        successor = None if self.alive else wrapper_of(self.rundir)
        return self if successor is None else replace(successor, gpus=self.gpus)

    @property
    def alive(self) -> bool:
        """Whether the wrapper's process still exists."""
        return self.started is not None and born(self.pid) == self.started

    def clear(self) -> None:
        """Kill what a wrapper that is gone has left in its session.

        The kernel gives out no process id that a session still bears; so if a newcomer
        has this one, nothing of ours is left and the session is somebody else's.
        """
        if born(self.pid) in (None, self.started):
            exterminate(self.pid, _PATIENCE)


def wrapper_of(rundir: Path) -> Handle | None:
    """The living wrapper of a run directory, if it has one."""
    try:
        value = json.loads((rundir / PROCESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    handle = Handle(value["pid"], value["started"], rundir)
    return handle if handle.alive else None


def end(handles: Sequence[Handle]) -> None:
    """End jobs with everything they started; on return all are gone and have an exit.json."""
    for handle in handles:
        _signal(handle, signal.SIGTERM)
    wait_until(lambda: not any(h.alive for h in handles), _PATIENCE)
    for handle in handles:
        if handle.alive:
            exterminate(handle.pid, _PATIENCE)
            _signal(handle, signal.SIGKILL)
            wait_until(lambda h=handle: not h.alive, _PATIENCE)  # type: ignore[misc]
        handle.clear()
        if not (handle.rundir / EXIT).exists():
            hush(handle.rundir)
            record_cancelled(handle.rundir)


def record_cancelled(rundir: Path) -> None:
    """Say that a job was cancelled, unless it has recorded an end of its own, or nothing can be said.

    Where even this finds no room on the disk, the job counts as vanished, and is tried again.
    """
    if (rundir / EXIT).exists():
        return
    now = time.time()
    with contextlib.suppress(OSError):
        started = (rundir / JOB).stat().st_mtime
        Ending(
            code=-signal.SIGTERM,
            reason=Reason.CANCELLED,
            seconds=max(0.0, now - started),
            max_rss_mb=0.0,
            started=started,
            ended=now,
        ).write(rundir)


def _signal(handle: Handle, number: signal.Signals) -> None:
    if handle.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(handle.pid, number)
