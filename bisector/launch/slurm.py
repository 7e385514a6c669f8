"""Jobs of a Slurm cluster, submitted through submitit; needs the extra `bisector[slurm]`.

The run directories are on a file system that the nodes share. A job that is
preempted or meets its time limit is requeued and goes on from its checkpoint.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from bisector.errors import ConfigError, LaunchError
from bisector.launch.elsewhere import read_handle
from bisector.launch.handle import record_cancelled
from bisector.launch.job_file import write_job
from bisector.launch.slurm_queue import Queue
from bisector.launch.slurm_task import SlurmTask
from bisector.ports import Job, JobState
from bisector.rundir import EXIT, JOB, LOG

_PATIENCE = 40.0
"""Seconds to wait for cancelled jobs: longer than Slurm itself waits before it kills one."""
_LOOK_SECONDS = 1.0
"""Between two questions to the scheduler, which serves others as well."""
_SPARE_MB = 1024
"""Memory for those who look after a job, beside what the job itself may have."""
_SPARE_MINUTES = 5
"""Time to start and to end a job, beside what the job itself may have."""


class _Handle(NamedTuple):
    """What this launcher calls a job."""

    slurm: str
    """Slurm's id of the job."""
    rundir: str

    @classmethod
    def parse(cls, text: str) -> "_Handle":
        return cls(*read_handle(text, "slurm", "Slurm"))

    @property
    def ended(self) -> bool:
        """Whether the job has recorded its end."""
        return (Path(self.rundir) / EXIT).exists()


@dataclass(slots=True, eq=False)
class SlurmLauncher:
    """One Slurm job per trial, at most `slots` of them queued or running at a time."""

    slots: int = 8
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    minutes: int | None = None
    """Slurm's time limit; None: `limits.seconds` and some more, or an hour without that."""
    cpus: int = 4
    """Of each job; also its OMP_NUM_THREADS, if it does not set that."""
    memory_gb: float | None = None
    """None: `limits.memory_mb` and some more, or the partition's default without that."""
    gpus_per_job: int = 0
    """GPUs of a job whose limits do not ask for more."""
    setup: Sequence[str] = ()
    """Shell lines to run before a job, e.g. `module load cuda`."""
    sbatch: Mapping[str, Any] = field(default_factory=dict)
    """Further options of `sbatch`, by their long names: `{nice: 100}`."""
    folder: str | None = None
    """Shared folder for Slurm's own logs; None: `slurm`, beside the run directories."""
    requeues: int = 20
    """How often a job that meets Slurm's time limit is queued again."""
    warning: int = 90
    """Seconds before the time limit in which a job may save a checkpoint."""
    settle: float = 20.0
    """Seconds that a job's files may take to show here after Slurm says that it has ended."""
    outage: float = 900.0
    """Seconds for which the scheduler may be away before the search gives up."""

    _running: dict[str, _Handle] = field(init=False, default_factory=dict)
    _left: dict[str, float] = field(init=False, default_factory=dict)
    """When Slurm was first seen to have nothing more of a job."""
    _queue: Queue = field(init=False)

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ConfigError(
                f"`launcher.slots={self.slots}` lets no job run.", hint="Set it to 1 or more."
            )
        self._queue = Queue(self.outage, _LOOK_SECONDS)

    def free_slots(self) -> int:
        """How many more jobs may be queued; none while the scheduler does not answer."""
        if not self._queue.answers():
            return 0
        return max(0, self.slots - len(self._running))

    def submit(self, job: Job) -> str:
        """Queue a job, in place of any that is still there for its run directory; its handle."""
        rundir = job.rundir.absolute()
        if (rundir / JOB).exists():
            self.clear([rundir])
        env = {"OMP_NUM_THREADS": str(self.cpus)} | dict(job.env)
        write_job(replace(job, rundir=rundir, env=env))
        handle = _Handle(self._submit(job, rundir), str(rundir))
        text = json.dumps(handle._asdict())
        self._running[text] = handle
        self._queue.expect(handle.slurm, _name(rundir))
        return text

    def poll(self, handles: Sequence[str]) -> Mapping[str, JobState]:
        """The state of each job; one question to the scheduler for all of them."""
        parsed = {text: _Handle.parse(text) for text in handles}
        states = self._queue.states() if not all(h.ended for h in parsed.values()) else {}
        return {text: self._state(text, handle, states) for text, handle in parsed.items()}

    def cancel(self, handles: Sequence[str]) -> None:
        """End jobs, queued or running; returns when Slurm has nothing more of them."""
        parsed = {text: _Handle.parse(text) for text in handles}
        live = [h for h in parsed.values() if not h.ended]
        # First the record: by it the job's wrapper knows this from losing its place.
        for handle in live:
            record_cancelled(Path(handle.rundir))
        self._end([h.slurm for h in live])
        for text in parsed:
            self._running.pop(text, None)

    def clear(self, rundirs: Sequence[Path]) -> None:
        """End whatever is queued or runs for run directories whose handles were never recorded."""
        names = {_name(rundir.absolute()): rundir.absolute() for rundir in rundirs}
        found = {j: names[name] for j, name in self._queue.names().items() if name in names}
        for rundir in found.values():
            record_cancelled(rundir)
        self._end(list(found))

    def _end(self, jobs: list[str]) -> None:
        if not jobs:
            return
        self._queue.cancel(jobs)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._queue.active(jobs):
            time.sleep(0.2)

    def _state(self, text: str, handle: _Handle, states: Mapping[str, JobState]) -> JobState:
        # Who is silent has not said that a job has ended.
        unknown = JobState.ENDED if self._queue.answers() else JobState.RUNNING
        state = JobState.ENDED if handle.ended else states.get(handle.slurm, unknown)
        if state is JobState.ENDED and not handle.ended:
            since = self._left.setdefault(text, time.monotonic())
            if time.monotonic() - since < self.settle:
                return JobState.RUNNING  # Its files are on their way, or it is being requeued.
            self._explain(handle)
        elif state is not JobState.ENDED:
            self._left.pop(text, None)
        if state is JobState.ENDED:
            self._running.pop(text, None)
        else:
            self._running[text] = handle
        return state

    def _explain(self, handle: _Handle) -> None:
        """Where a job did not get as far as a log, Slurm's own takes its place."""
        rundir = Path(handle.rundir)
        said = self._folder(rundir) / f"{handle.slurm}_0_log.err"
        if not (rundir / LOG).exists() and said.exists():
            (rundir / LOG).write_bytes(said.read_bytes())

    def _folder(self, rundir: Path) -> Path:
        folder = Path(self.folder or rundir.parent / "slurm").absolute()
        if re.search(r"[%\\\n]", str(folder)):
            raise LaunchError(
                f"Slurm cannot keep its logs in `{folder}`: it reads %, \\ and line ends as its own.",
                hint="Name a shared folder without them: `launcher.folder=...`.",
            )
        return folder

    def _submit(self, job: Job, rundir: Path) -> str:
        executor = submitit.SlurmExecutor(self._folder(rundir), max_num_timeout=self.requeues)
        try:
            executor.update_parameters(**self._options(job, rundir))
            return str(executor.submit(SlurmTask(str(rundir))).job_id)
        except (FailedJobError, FailedSubmissionError) as error:
            raise LaunchError(
                f"Slurm takes no job for `{rundir}`: {_said(error)}.",
                hint="See `launcher` in the configuration: partition, account, time, memory, GPUs.",
            ) from None

    def _options(self, job: Job, rundir: Path) -> dict[str, Any]:
        limits = job.limits
        seconds = 3600.0 if limits.seconds is None else limits.seconds
        memory = self.memory_gb and int(self.memory_gb * 1024)
        if memory is None and limits.memory_mb is not None:
            memory = limits.memory_mb + _SPARE_MB
        options = {
            "job_name": _name(rundir),
            "time": self.minutes or ceil(seconds / 60) + _SPARE_MINUTES,
            "cpus_per_task": self.cpus,
            "gpus_per_node": max(limits.gpus, self.gpus_per_job) or None,
            "mem": memory and f"{memory}MB",
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "setup": list(self.setup) or None,
            "signal_delay_s": self.warning,
            "additional_parameters": {"requeue": True, **self.sbatch},
        }
        return {"wckey": None} | {name: value for name, value in options.items() if value}


def _name(rundir: Path) -> str:
    """A job's name, by which it is found even if its id was never recorded."""
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{rundir.parent.parent.name}-{rundir.name}")
    return f"bisect-{words[:40]}-{hashlib.sha256(str(rundir).encode()).hexdigest()[:12]}"


def _said(error: Exception) -> str:
    """What sbatch has said, in one line."""
    lines = [line for line in str(error).splitlines() if "sbatch" in line]
    return " ".join((lines or [str(error)])[-1].split())
