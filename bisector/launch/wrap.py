"""Runs one job and records its end: `python -m bisector.launch.wrap RUNDIR [guest]`.

Every launcher starts this wrapper rather than the job itself, so the run
directory looks the same whether the job ran here or on a cluster. SIGTERM to the
wrapper cancels the job; the wrapper's own death takes the job with it.

The guest of a scheduler may be told to go by somebody who wants its place and not
its end. So it is cancelled only if exit.json says so already; else it makes way:
the job may save a checkpoint, and no end is recorded, as there will be a next start.
"""

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from bisector.launch.ending import Ending, Reason
from bisector.launch.hush import hush
from bisector.launch.job_file import forget_attempt, read_job
from bisector.launch.processes import LINUX, born, die_with, keep_orphans
from bisector.launch.watch import ASKING, GRACE, WAY_GRACE, Bell, Watch
from bisector.ports import Job
from bisector.rundir import ENV_RUNDIR, EXIT, LOG, PROCESS, write_json

_CANNOT_START = 127
"""The exit code by which a shell says the same."""
GUEST = "guest"
"""The argument that makes a wrapper a scheduler's guest."""
MADE_WAY = 75
"""The wrapper's exit code when its job is to go on later."""


@dataclass(frozen=True, slots=True)
class Fork:
    """One of the two processes after `fork`: the job's own, or the wrapper that looks after it."""

    job: Job
    child: int
    """The job's process; 0 in that process itself."""
    bell: Bell
    complaints: int
    """A pipe from the job's process, on which it says that it could not start."""

    def give_up(self, error: Exception) -> NoReturn:
        """End the job's process, which cannot start."""
        os.write(
            2, f"bisect: cannot start {self.job.argv[0]!r}: {error}\n".encode(errors="replace")
        )
        os.write(self.complaints, b"!")
        os._exit(_CANNOT_START)

    def execute(self) -> NoReturn:
        """Become the job's command."""
        try:
            os.execvp(self.job.argv[0], self.job.argv)
        except (OSError, ValueError) as error:
            self.give_up(error)

    def watch(self, *, guest: bool = False) -> bool:
        """See the job to its end and record it; False: it made way, and has not ended."""
        end = self.job.rundir / EXIT

        def grace() -> float:
            return WAY_GRACE if guest and not end.exists() else GRACE

        ending = Watch(self.child, self.job.limits, self.bell, grace).until_end()
        if guest and self.bell.cancelled:
            if not end.exists():
                return False
            ending = replace(ending, reason=Reason.CANCELLED)
        os.set_blocking(self.complaints, False)
        with contextlib.suppress(BlockingIOError):
            if os.read(self.complaints, 1):
                ending = _never_started(ending)
        hush(self.job.rundir)
        ending.write(self.job.rundir)
        return True


def main(rundir: Path, *, guest: bool) -> int:
    """Run the job of `rundir` to its end; the wrapper's exit code."""
    if guest:
        die_with(os.getppid())
    with contextlib.suppress(PermissionError):  # Popen or a scheduler has made us leader already.
        os.setsid()
    job = take_charge(rundir)
    if job is None:
        return 0
    side = fork(job)
    if side.child == 0:
        side.execute()
    return 0 if side.watch(guest=guest) else MADE_WAY


def take_charge(rundir: Path) -> Job | None:
    """Make this process the run's wrapper; None if the job was cancelled before it began.

    First the name goes up, then the look at exit.json: whoever cancels does it the
    other way round, so one of the two always sees the other.
    """
    me = os.getpid()
    if (rundir / PROCESS).exists():
        forget_attempt(rundir)
    write_json(rundir / PROCESS, {"pid": me, "started": born(me)})
    if (rundir / EXIT).exists():
        return None
    log = os.open(rundir / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(nothing)
    keep_orphans()
    return read_job(rundir)


def fork(job: Job) -> Fork:
    """Split off the job's process; returns in both, with `child` 0 in the new one."""
    parent, bell = os.getpid(), Bell()
    reader, writer = os.pipe()
    # A signal for the new process waits until that has laid off the wrapper's handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
        os.close(writer)
        with contextlib.suppress(OSError):  # Both do it, so that neither can be too early.
            os.setpgid(child, child)
        return Fork(job, child, bell, reader)
    os.close(reader)
    side = Fork(job, 0, bell, writer)
    try:
        _settle(side, parent)
    except (OSError, ValueError) as error:
        side.give_up(error)
    return side


def _settle(side: Fork, parent: int) -> None:
    """Make the new process what the job asks for: group, signals, folder, environment."""
    os.setpgid(0, 0)
    side.bell.silence()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
    die_with(parent)
    if LINUX:
        # Where memory runs out, the kernel should take the job and not the search.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    job = side.job
    os.chdir(job.cwd or job.rundir)
    # Unbuffered: what a killed job printed last must be in its log.
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    os.environ.update(job.env)
    os.environ[ENV_RUNDIR] = str(job.rundir)


def _never_started(ending: Ending) -> Ending:
    now = time.time()
    return Ending(
        code=_CANNOT_START,
        reason=Reason.ENVIRONMENT,
        seconds=0.0,
        max_rss_mb=0.0,
        started=ending.started,
        ended=now,
    )


if __name__ == "__main__":
    # At once: a Python that tidies up has no handlers any more, and a second signal would kill it.
    os._exit(main(Path(sys.argv[1]).absolute(), guest=GUEST in sys.argv[2:]))
