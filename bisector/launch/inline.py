"""Jobs one at a time, here and now: for a debugger, and the smallest launcher there is."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from bisector.errors import LaunchError
from bisector.launch.ending import Ending, Reason
from bisector.launch.handle import end, wrapper_of
from bisector.launch.hush import hush
from bisector.launch.in_process import WORKERS, fits, run_module, search_path
from bisector.launch.job_file import write_job
from bisector.ports import Job, JobState
from bisector.rundir import ENV_RUNDIR, LOG


@dataclass(frozen=True, slots=True)
class InlineLauncher:
    """`submit` returns when the job has ended.

    Modules in `in_process` run in this very process, with its terminal, so that
    `breakpoint()` works; their limits are then not enforced, as a debugger stops the
    clock. Other commands get a process and have their limits.
    """

    in_process: Sequence[str] = WORKERS

    def free_slots(self) -> int:
        """One, always: whoever can ask is not waiting for a job."""
        return 1

    def submit(self, jobs: Iterable[Job]) -> Iterator[str]:
        """Run jobs to their ends, one after the other; their run directories are their handles."""
        yield from map(self._run, jobs)

    def _run(self, job: Job) -> str:
        job = replace(job, rundir=job.rundir.absolute())
        try:
            write_job(job)
            if fits(job, self.in_process):
                ending = _run_here(job)
                hush(job.rundir)
                ending.write(job.rundir)
            else:
                _run_child(job.rundir)
        except OSError as error:
            raise LaunchError(
                f"No job can be run in `{job.rundir}`: {error}.",
                hint="See that the folder can be written.",
            ) from error
        return str(job.rundir)

    def poll(self, handles: Sequence[str]) -> Mapping[str, JobState]:
        """All ended: none outlives its submission."""
        return dict.fromkeys(handles, JobState.ENDED)

    def cancel(self, handles: Sequence[str]) -> None:
        """There is nothing left to end."""

    def clear(self, rundirs: Sequence[Path]) -> None:
        """End what an inline launcher that was killed has left running in a process of its own."""
        end([stale for rundir in rundirs if (stale := wrapper_of(rundir.absolute())) is not None])


class _Tee(io.TextIOBase):
    """Text for the terminal and for the log."""

    def __init__(self, terminal: TextIO, log: TextIO) -> None:
        self._both = (terminal, log)

    def write(self, text: str, /) -> int:
        for stream in self._both:
            stream.write(text)
            stream.flush()
        return len(text)


def _run_here(job: Job) -> Ending:
    started, began = time.time(), time.monotonic()
    with _as_if_alone(job), (job.rundir / LOG).open("a", encoding="utf-8") as log:
        tees = _Tee(sys.stdout, log), _Tee(sys.stderr, log)
        with contextlib.redirect_stdout(tees[0]), contextlib.redirect_stderr(tees[1]):
            code = run_module(job.argv[2])
    return Ending(
        code=code,
        reason=Reason.EXITED,
        seconds=round(time.monotonic() - began, 4),
        max_rss_mb=0.0,
        started=started,
        ended=time.time(),
    )


@contextlib.contextmanager
def _as_if_alone(job: Job) -> Iterator[None]:
    """This process' folder, environment, arguments and search path, lent to a job."""
    env, argv, path, main = dict(os.environ), sys.argv, list(sys.path), sys.modules["__main__"]
    try:
        with contextlib.chdir(job.cwd or job.rundir):
            os.environ.update(job.env)
            os.environ[ENV_RUNDIR] = str(job.rundir)
            sys.argv = [job.argv[0], *job.argv[3:]]
            sys.path[:] = dict.fromkeys([*search_path(), *sys.path])
            yield
    finally:
        os.environ.clear()
        os.environ.update(env)
        sys.argv, sys.path[:], sys.modules["__main__"] = argv, path, main


def _run_child(rundir: Path) -> None:
    wrapper = subprocess.Popen(
        [sys.executable, "-P", "-m", "bisector.launch.wrap", str(rundir)], start_new_session=True
    )
    try:
        wrapper.wait()
    except KeyboardInterrupt:
        wrapper.send_signal(signal.SIGTERM)
        wrapper.wait()
        raise
