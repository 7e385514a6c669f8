"""What Slurm's own commands say of our jobs; an absence of the scheduler is borne for a while.

`squeue` and not `sacct`: it is there without an accounting database.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from shutil import which

from bisector.errors import LaunchError
from bisector.ports import JobState

_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"}
_SILENT_SECONDS = 10.0
"""Between two questions to a scheduler that does not answer, each of which takes seconds."""
_SECONDS = 60.0
"""How long a command of Slurm's may take."""


class Queue:
    """The jobs of this user, as of the last answer, which is asked for once in `period` seconds.

    `outage` is how many seconds the scheduler may be silent.
    """

    def __init__(self, outage: float, period: float) -> None:
        self._outage, self._period = outage, period
        self._rows: dict[str, tuple[str, str]] = {}
        self._asked = -period
        self._silent_since: float | None = None
        if which("sbatch") is None or which("squeue") is None:
            raise LaunchError(
                "`launcher=slurm` found no `sbatch` and `squeue` on PATH.",
                hint="Start bisect on a machine from which jobs are submitted, or use `launcher=local`.",
            )

    def answers(self) -> bool:
        """Whether the scheduler has answered the last question."""
        self._refresh()
        return self._silent_since is None

    def states(self) -> dict[str, JobState]:
        """Id of a job or a task to state; who is not in it has ended. The last ones known while nobody answers.

        Raises:
            LaunchError: nobody has answered for too long.
        """
        self._refresh()
        return {job: _state(word) for job, (word, _) in self._rows.items()}

    def expect(self, job: str, name: str) -> None:
        """A job was submitted; it waits until an answer says more."""
        self._rows[job] = ("PENDING", name)

    def names(self) -> dict[str, str]:
        """Job id to name, of those that wait or run."""
        self._refresh(now=True)
        ended = JobState.ENDED
        return {job: name for job, (word, name) in self._rows.items() if _state(word) is not ended}

    def active(self, jobs: Sequence[str]) -> bool:
        """Whether any of `jobs` waits or runs."""
        self._refresh(now=True)
        return any(
            _state(self._rows[job][0]) is not JobState.ENDED for job in jobs if job in self._rows
        )

    def cancel(self, jobs: Sequence[str]) -> None:
        """Tell the scheduler to end jobs.

        Raises:
            LaunchError: it could not be told.
        """
        told = _run(["scancel", *jobs])
        if told is None:
            raise LaunchError(
                f"Slurm could not be told to end {len(jobs)} jobs.",
                hint=f"When it answers again: `scancel {' '.join(jobs)}`.",
            )

    def _refresh(self, *, now: bool = False) -> None:
        period = self._period if self._silent_since is None else _SILENT_SECONDS
        if not now and time.monotonic() - self._asked < period:
            return
        user = str(os.getuid())
        answer = _run(
            [
                *("squeue", "--noheader", "--array", "--states=all"),
                *(f"--user={user}", "--format=%i|%T|%j"),
            ]
        )
        self._asked = time.monotonic()
        if answer is None:
            self._bear_silence()
            return
        self._silent_since = None
        rows = (line.split("|", 2) for line in answer.splitlines() if line.count("|") >= 2)
        self._rows = {job.strip(): (word.strip(), name.strip()) for job, word, name in rows}

    def _bear_silence(self) -> None:
        since = self._silent_since = self._silent_since or self._asked
        if self._asked - since > self._outage:
            raise LaunchError(
                f"Slurm has not answered for {self._asked - since:.0f} s.",
                hint="Jobs that run go on. Try `sinfo`; the same command goes on with the search.",
            )


def _state(word: str) -> JobState:
    if word in _WAITING:
        return JobState.WAITING
    return JobState.RUNNING if word in _RUNNING else JobState.ENDED


def _run(command: list[str]) -> str | None:
    """What a command prints; None if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
