"""Jobs of a Ray cluster, each kept by a detached actor; needs the extra `bisector[ray]`.

No file system is shared. All that is said to Ray is said by `ray_desk`, a process of its own: a
search outlives the loss of its cluster, and goes on when that is back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bisector.errors import ConfigError
from bisector.launch.job_file import write_job
from bisector.launch.ray_handle import RayHandle
from bisector.launch.ray_line import Line
from bisector.ports import Job, JobState
from bisector.rundir import EXIT

_POLL_SECONDS = 5.0
"""For an answer about jobs, before they are taken to go on as they did."""
_TELL_SECONDS = 120.0
"""For an order to be heard, such as a job or its end."""


@dataclass(slots=True, eq=False)
class RayLauncher:
    """One actor per trial on the nodes of a cluster that is there already."""

    address: str = "auto"
    """Of the cluster; `auto`: RAY_ADDRESS, or the one of this machine."""
    slots: int | None = None
    """Jobs at a time; None: as many as the cluster has room for now."""
    cpus: float = 1.0
    """Of each job; rounded down, at least 1, also its OMP_NUM_THREADS, if it does not set that."""
    gpus_per_job: int = 0
    """GPUs of a job whose limits do not ask for more."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """Further resources of Ray's that each job takes: `{a100: 1}`."""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    """Ray's own: `{working_dir: .}` sends this folder along for nodes that do not have it."""
    elastic: bool = False
    """Whether the cluster grows when asked: a job that no node could take now is then no mistake."""
    outage: float = 900.0
    """Seconds for which the cluster may be away before the search gives up."""

    _running: set[str] = field(init=False, default_factory=set)
    _line: Line = field(init=False)

    def __post_init__(self) -> None:
        if self.slots is not None and self.slots < 1:
            raise ConfigError(
                f"`launcher.slots={self.slots}` lets no job run.",
                hint="Set it to 1 or more, or to null for as many as the cluster has room for.",
            )
        if find_spec("ray") is None:
            raise ConfigError(
                "`launcher=ray` needs ray, which is not installed.",
                hint='pip install "bisector[ray]"',
            )
        told = ("address", "cpus", "gpus_per_job", "resources", "runtime_env", "elastic")
        self._line = Line({name: getattr(self, name) for name in told}, self.outage)
        self._line.open()

    def free_slots(self) -> int:
        """How many more jobs may start now, though those of others may make them wait; none while nobody answers."""
        room = self._line.ask("capacity", patience=_POLL_SECONDS)
        return 0 if room is None else max(0, (self.slots or room) - len(self._running))

    def submit(self, jobs: Iterable[Job]) -> Iterator[str]:
        """Send jobs to the cluster, each in place of any that is still there; their handles."""
        yield from map(self._send, jobs)

    def _send(self, job: Job) -> str:
        rundir = job.rundir.absolute()
        self.clear([rundir])
        env = {"OMP_NUM_THREADS": str(max(1, int(self.cpus)))}
        if not max(job.limits.gpus, self.gpus_per_job):
            env["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides no GPU from a job that asks for none.
        write_job(replace(job, rundir=rundir, env=env | dict(job.env)))
        handle = str(RayHandle.of(rundir))
        self._line.insist("start", handle, patience=_TELL_SECONDS)
        self._running.add(handle)
        return handle

    def poll(self, handles: Sequence[str]) -> Mapping[str, JobState]:
        """The state of each job; what has changed in its run directory comes back on the way."""
        parsed = {text: RayHandle.parse(text) for text in handles}
        said = self._line.ask("poll", list(handles), patience=_POLL_SECONDS)
        if said is None:  # Who is silent has not said that a job has ended.
            ended = {t: (Path(h.rundir) / EXIT).exists() for t, h in parsed.items()}
            said = {t: JobState.ENDED if ended[t] else JobState.RUNNING for t in handles}
        states = {text: JobState(said[text]) for text in handles}
        self._running |= states.keys()
        self._running -= {text for text, state in states.items() if state is JobState.ENDED}
        return states

    def cancel(self, handles: Sequence[str]) -> None:
        """End jobs with all their children; returns when their last files have come back."""
        for text in handles:
            RayHandle.parse(text)
            self._line.insist("cancel", text, patience=_TELL_SECONDS)
            self._running.discard(text)

    def clear(self, rundirs: Sequence[Path]) -> None:
        """End whatever still runs for run directories whose handles were never recorded."""
        for rundir in rundirs:
            self._line.insist("clear", str(rundir.absolute()), patience=_TELL_SECONDS)

    def close(self) -> None:
        """Leave the cluster; jobs go on."""
        self._line.close()
