"""One job that is no trial: submitted to the launcher as a trial would be, and waited for."""

import time
from pathlib import Path

from bisector.errors import LaunchError
from bisector.ports import Job, JobState, Launcher
from bisector.rundir import LOG


def errand(launcher: Launcher, job: Job, what: str, limit: float) -> None:
    """Run a job to its end, however it ends.

    Args:
        launcher: where it runs.
        job: what is run.
        what: the job in words, to begin a message with.
        limit: seconds to wait, for launchers that queue.

    Raises:
        LaunchError: it did not end in time.
    """
    (handle,) = launcher.submit([job])
    deadline = time.monotonic() + limit
    ended = False
    try:
        while not ended and time.monotonic() < deadline:
            time.sleep(0.02)
            ended = launcher.poll([handle])[handle] is JobState.ENDED
    finally:
        if not ended:
            launcher.cancel([handle])
    if not ended:
        raise LaunchError(
            f"{what} did not start and end within {limit:.0f} s.",
            hint=f"Look at {job.rundir / LOG} and at the launcher's settings.",
        )


def last_line(rundir: Path) -> str:
    """The last line of a run's log that says anything."""
    log = rundir / LOG
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "it left no log")
