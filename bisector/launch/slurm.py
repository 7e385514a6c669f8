"""Jobs of a Slurm cluster, submitted through submitit; needs the extra `bisector[slurm]`.

The run directories are on a file system that the nodes share. A job that is
preempted or meets its time limit is requeued and goes on from its checkpoint.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from bisector.errors import ConfigError, LaunchError
from bisector.launch.elsewhere import read_handle
from bisector.launch.handle import record_cancelled
from bisector.launch.hush import hush
from bisector.launch.job_file import write_job
from bisector.launch.slurm_queue import Queue
from bisector.launch.slurm_task import SlurmTask
from bisector.ports import Job, JobState, Limits
from bisector.rundir import EXIT, JOB, LOG, write_json

_PLACE = "slurm.json"
"""In a run directory: which task of which job it is, written before Slurm hears of it."""
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
    """One Slurm job or task of an array per trial, at most `slots` queued or running at a time."""

    slots: int = 8
    array: int = 100
    """Trials that may be submitted together, as tasks of one job array; 1: no arrays."""
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
    """When Slurm was first seen to have nothing more of a job; 0: that was looked into already."""
    _queue: Queue = field(init=False)

    def __post_init__(self) -> None:
        for key in ("slots", "array"):
            if (value := getattr(self, key)) < 1:
                raise ConfigError(
                    f"`launcher.{key}={value}` lets no job run.", hint="Set it to 1 or more."
                )
        self._queue = Queue(self.outage, _LOOK_SECONDS)

    def free_slots(self) -> int:
        """How many more jobs may be queued; none while the scheduler does not answer."""
        if not self._queue.answers():
            return 0
        return max(0, self.slots - len(self._running))

    def submit(self, jobs: Iterable[Job]) -> Iterator[str]:
        """Queue jobs, each in place of any that is still there for its run directory; their handles.

        Those that ask for the same become one job array.
        """
        for limits, alike in groupby(jobs, lambda job: job.limits):
            while some := list(islice(alike, self.array)):
                yield from self._begin(limits, [job.rundir.absolute() for job in some], some)

    def _begin(self, limits: Limits, rundirs: list[Path], jobs: list[Job]) -> Iterator[str]:
        self.clear([rundir for rundir in rundirs if (rundir / JOB).exists()])
        name = _name(rundirs)
        for task, (rundir, job) in enumerate(zip(rundirs, jobs, strict=True)):
            env = {"OMP_NUM_THREADS": str(self.cpus)} | dict(job.env)
            write_job(replace(job, rundir=rundir, env=env))
            write_json(rundir / _PLACE, {"name": name, "task": task})
        numbers = self._submit(name, limits, rundirs)
        handles = [_Handle(n, str(rundir)) for n, rundir in zip(numbers, rundirs, strict=True)]
        given = {json.dumps(handle._asdict()): handle for handle in handles}
        self._running |= given
        for handle in handles:
            self._queue.expect(handle.slurm, name)
        yield from given

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
        for handle in live:
            hush(Path(handle.rundir))
        for text in parsed:
            self._running.pop(text, None)

    def clear(self, rundirs: Sequence[Path]) -> None:
        """End whatever is queued or runs for run directories whose handles were never recorded."""
        places = {place: r for r in rundirs if (place := _place(r)) is not None}
        names = self._queue.names() if places else {}
        found = {n: places[p] for n, name in names.items() if (p := (name, _task(n))) in places}
        for rundir in found.values():
            record_cancelled(rundir)
        self._end(list(found))
        for rundir in found.values():
            hush(rundir)

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
            if since > 0:
                self._left[text] = 0.0
                self._explain(handle)
        elif state is not JobState.ENDED:
            self._left.pop(text, None)
        if state is JobState.ENDED:
            self._running.pop(text, None)
        else:
            self._running[text] = handle
        return state

    def _explain(self, handle: _Handle) -> None:
        """Where a job did not get as far as a log, Slurm's own takes its place; secrets go out of it."""
        rundir = Path(handle.rundir)
        said = self._folder(rundir) / f"{handle.slurm}_0_log.err"
        if not (rundir / LOG).exists() and said.exists():
            (rundir / LOG).write_bytes(said.read_bytes())
        hush(rundir)

    def _folder(self, rundir: Path) -> Path:
        folder = Path(self.folder or rundir.parent / "slurm").absolute()
        if re.search(r"[%\\\n]", str(folder)):
            raise LaunchError(
                f"Slurm cannot keep its logs in `{folder}`: it reads %, \\ and line ends as its own.",
                hint="Name a shared folder without them: `launcher.folder=...`.",
            )
        return folder

    def _submit(self, name: str, limits: Limits, rundirs: list[Path]) -> list[str]:
        """Slurm's ids: `12` of a single job, `12_0`, `12_1`, ... of an array."""
        folder = self._folder(rundirs[0])
        executor = submitit.SlurmExecutor(folder, max_num_timeout=self.requeues)
        try:
            executor.update_parameters(**self._options(name, limits))
            with executor.batch():
                jobs = [executor.submit(SlurmTask(str(rundir))) for rundir in rundirs]
        except (FailedJobError, FailedSubmissionError) as error:
            raise LaunchError(
                f"Slurm takes no job for `{rundirs[0]}`: {_said(error)}.",
                hint="See `launcher` in the configuration: partition, account, time, memory, GPUs.",
            ) from None
        return [str(job.job_id) for job in jobs]

    def _options(self, name: str, limits: Limits) -> dict[str, Any]:
        seconds = 3600.0 if limits.seconds is None else limits.seconds
        memory = self.memory_gb and int(self.memory_gb * 1024)
        if memory is None and limits.memory_mb is not None:
            memory = limits.memory_mb + _SPARE_MB
        options = {
            "job_name": name,
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


def _name(rundirs: Sequence[Path]) -> str:
    """A job's name, by which its tasks are found even if its id was never recorded."""
    first = rundirs[0]
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{first.parent.parent.name}-{first.name}")
    digest = hashlib.sha256("\0".join(map(str, rundirs)).encode()).hexdigest()
    return f"bisect-{words[:40]}-{digest[:12]}"


def _place(rundir: Path) -> tuple[str, int] | None:
    """The name of the job and the number of its task that a run directory was last given to."""
    try:
        place = json.loads((rundir / _PLACE).read_text(encoding="utf-8"))
    except OSError:
        return None
    return place["name"], place["task"]


def _task(number: str) -> int:
    """The number of a task, by Slurm's id of it."""
    return int(number.partition("_")[2] or 0)


def _said(error: Exception) -> str:
    """What sbatch has said, in one line."""
    lines = [line for line in str(error).splitlines() if "sbatch" in line]
    return " ".join((lines or [str(error)])[-1].split())
