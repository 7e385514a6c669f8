"""What submitit runs on a node of the cluster: the wrapper of one job, and its way back.

Slurm says with a signal that a job is to lose its place: at its time limit, or for
somebody more important. The wrapper then lets the training save a checkpoint, and
submitit queues the same job again.
"""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

import submitit
from submitit.helpers import DelayedSubmission

from bisector.launch.wrap import GUEST, MADE_WAY

_TICK = 0.1
_TRIES, _TRY_SECONDS = 3, 2.0
"""How often a scheduler that does not answer is asked, and what lies between."""


@dataclass(frozen=True, slots=True)
class SlurmTask:
    """The job of one run directory."""

    rundir: str

    def __call__(self) -> None:
        """Run it to its end, or until its place is taken away."""
        warning = signal.Signals[f"SIG{submitit.JobEnvironment().USR_SIG}"]
        requeue = signal.getsignal(warning)
        made_way = _look_after(self.rundir, (warning, signal.SIGTERM))
        signal.signal(warning, requeue)
        if made_way and _is_wanted():
            signal.raise_signal(warning)  # submitit's own handler queues the job again.

    def checkpoint(self) -> DelayedSubmission:
        """What to run when the job is back, as submitit asks for it: the same."""
        return DelayedSubmission(self)


def _look_after(rundir: str, passed_on: tuple[signal.Signals, ...]) -> bool:
    """Run the wrapper, which hears of every one of the signals; whether its job made way for others."""
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    for number in passed_on:
        signal.signal(number, hear)
    wrapper = subprocess.Popen([sys.executable, "-P", "-m", "bisector.launch.wrap", rundir, GUEST])
    told = 0
    while wrapper.poll() is None:
        if len(heard) > told:
            told = len(heard)
            wrapper.send_signal(signal.SIGTERM)
        time.sleep(_TICK)
    # Slurm tells every process, and this one may have been too young to bear it.
    fell = bool(heard) and -wrapper.returncode in passed_on
    return wrapper.returncode == MADE_WAY or fell


def _is_wanted() -> bool:
    """Whether Slurm took the place only: a job that somebody has cancelled is not to come back."""
    # Not by SLURM_JOB_ID: that of one task of an array is also the whole array's.
    command = ["scontrol", "show", "job", "-o", submitit.JobEnvironment().job_id]
    for _ in range(_TRIES):
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        if shown.returncode == 0:
            return "JobState=RUNNING" in shown.stdout
        time.sleep(_TRY_SECONDS)
    return True  # Nobody has said that it is not.
