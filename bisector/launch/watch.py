"""Waits for a job's process, holds it to its limits, and leaves nothing of it behind.

Runs in the wrapper, which is nobody's only child: everything that the job starts
and loses, daemons included, comes back to the wrapper and ends with the job.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable

import psutil

from bisector.launch.ending import Ending, Reason
from bisector.launch.processes import exterminate, family, oom_kills, resident_mb
from bisector.ports import Limits

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""The signals that ask a wrapper to end its job."""
GRACE = 2.0
"""Seconds between asking a job to stop and killing it."""
WAY_GRACE = 60.0
"""The same for a job that is to go on later, which may have a large checkpoint to write."""
_LEFTOVER_GRACE = 0.5
"""Seconds that helpers of an ended job have to end by themselves, as most do."""
_PATIENCE = 10.0
"""Seconds to wait for killed processes before giving them up."""
_CHECK_SECONDS = 0.1
"""Between two looks at the memory of a job that has a limit on it."""
_SAMPLE_SECONDS = 1.0
"""Between two looks at the memory of a job that has none."""


class Bell:
    """Wakes the wrapper when a child ends, or when somebody asks for the job's end.

    Make it before the fork, so that no signal is missed; `silence` it in the child.
    """

    def __init__(self) -> None:
        self.cancelled = False
        """Whether somebody has asked for the job's end, or a scheduler for its place."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in ASKING:
            signal.signal(number, self._cancel)

    def _cancel(self, *_: object) -> None:
        self.cancelled = True

    def wait(self, seconds: float) -> None:
        """Sleep until something happens, at most so long."""
        if select.select([self._reader], [], [], max(0.0, seconds))[0]:
            os.read(self._reader, 4096)

    def silence(self) -> None:
        """Give a forked child the signals of a fresh process."""
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A scheduler's warning may go to every process; the wrapper passes it on as a SIGTERM.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)


class Watch:
    """One job's process from its start to its end; `grace` is what one has left that must end."""

    def __init__(
        self, child: int, limits: Limits, bell: Bell, grace: Callable[[], float] = lambda: GRACE
    ) -> None:
        self._child = child
        self._limits = limits
        self._bell = bell
        self._grace = grace
        self._code: int | None = None
        self._peak_mb = 0.0
        self._oom_kills = oom_kills()
        self._started = time.time()
        self._began = time.monotonic()

    def until_end(self) -> Ending:
        """Wait for the job, stop it where it must be stopped, and clear up after it."""
        stopped: Reason | None = None
        while self._running and stopped is None:
            looked = time.monotonic()
            stopped = self._breach()
            self._oom_kills = oom_kills()
            self._bell.wait(0.0 if stopped else self._pause(time.monotonic() - looked))
        if stopped is Reason.CANCELLED:
            self._ask_to_stop()
        reason = self._why(stopped)
        self._clear_up(hurry=stopped is not None)
        return Ending(
            code=-signal.SIGKILL if self._code is None else self._code,
            reason=reason,
            seconds=round(time.monotonic() - self._began, 4),
            max_rss_mb=round(self._peak_mb, 1),
            started=self._started,
            ended=time.time(),
        )

    @property
    def _running(self) -> bool:
        """Whether the job's own process lives; takes note of all that have ended."""
        self._reap()
        return self._code is None

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                self._code = os.waitstatus_to_exitcode(status)
                unit = 2**20 if sys.platform == "darwin" else 2**10  # getrusage(2) differs
                self._peak_mb = max(self._peak_mb, usage.ru_maxrss / unit)

    def _breach(self) -> Reason | None:
        limits = self._limits
        if self._bell.cancelled:
            return Reason.CANCELLED
        if limits.seconds is not None and time.monotonic() - self._began >= limits.seconds:
            return Reason.TIMED_OUT
        processes = psutil.Process().children(recursive=True)
        resident = resident_mb(processes, limits.memory_mb)
        self._peak_mb = max(self._peak_mb, resident)
        if limits.memory_mb is not None and resident > limits.memory_mb:
            return Reason.OUT_OF_MEMORY
        return None

    def _pause(self, cost: float) -> float:
        """How long to sleep: until the next look or the deadline; looking takes 5 % at most."""
        period = _SAMPLE_SECONDS if self._limits.memory_mb is None else _CHECK_SECONDS
        pause = max(period, 20 * cost)
        if self._limits.seconds is None:
            return pause
        return min(pause, self._began + self._limits.seconds - time.monotonic())

    def _ask_to_stop(self) -> None:
        try:
            os.killpg(self._child, signal.SIGTERM)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + self._grace()
        while self._running and time.monotonic() < deadline:
            self._bell.wait(deadline - time.monotonic())

    def _why(self, stopped: Reason | None) -> Reason:
        if stopped is not None:
            return stopped
        if self._code == -signal.SIGKILL and oom_kills() > self._oom_kills:
            return Reason.OUT_OF_MEMORY
        return Reason.SIGNALLED if self._code is not None and self._code < 0 else Reason.EXITED

    def _clear_up(self, *, hurry: bool) -> None:
        me = os.getpid()
        deadline = time.monotonic() + (0.0 if hurry else _LEFTOVER_GRACE)
        while family(me) and time.monotonic() < deadline:
            self._bell.wait(0.02)
            self._reap()
        exterminate(me, _PATIENCE, self._reap)
        self._reap()
