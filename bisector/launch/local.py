"""Jobs as processes of this machine: one for each free GPU, or for each core where there is none.

A job belongs to its own wrapper and not to the launcher, so it survives the
launcher; a later launcher adopts it by polling its handle.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bisector.errors import ConfigError, LaunchError
from bisector.launch import gpus as devices
from bisector.launch.alone import CROWDED, crowded_out, set_back
from bisector.launch.cores import physical_cores
from bisector.launch.ending import ended_well
from bisector.launch.handle import Handle, end, record_cancelled, wrapper_of
from bisector.launch.hush import hush
from bisector.launch.in_process import WORKERS, fits
from bisector.launch.job_file import read_job, write_job
from bisector.launch.processes import LINUX, born
from bisector.launch.shares import Shares
from bisector.launch.warm_server import PATIENT_THREADS, WarmServer
from bisector.ports import Job, JobState
from bisector.rundir import EXIT, LOG

_OTHERS_SECONDS = 900.0
"""How long a search that has begun waits for GPUs that others have taken meanwhile."""


@dataclass(slots=True, eq=False)
class LocalLauncher:
    """Child processes of this machine, forked from a warm server where the job allows it.

    Jobs of an earlier launcher take up slots from the moment they are polled; so
    poll before asking for free slots.
    """

    slots: int | None = None
    """Jobs at a time; None: one for each group of `gpus_per_job` free GPUs, or where there
    are no GPUs one for each core. More slots than GPUs: jobs share GPUs."""
    threads: int | None = None
    """OMP_NUM_THREADS of a job that does not set it; None: an equal share of the cores."""
    slots_per_gpu: int | None = 1
    """Jobs that share a GPU; None: as many as its memory has room for, by the first one's need.
    Jobs that need several GPUs share none."""
    warm: bool = LINUX
    """Fork trials from a process that has torch imported; elsewhere than on Linux a fork of
    such a process is not safe enough to be the default."""
    preload: Sequence[str] = ()
    """Further modules for that process to import."""
    gpus: str = "auto"
    """`auto`: those that CUDA_VISIBLE_DEVICES allows and nobody uses; `none`; or a list as in
    CUDA_VISIBLE_DEVICES, taken whether in use or not."""
    gpus_per_job: int = 1
    """GPUs of a job whose limits do not ask for more, where there are GPUs."""
    in_process: Sequence[str] = WORKERS
    """Modules that may be run in a fork; all other commands get a process of their own."""

    _running: dict[str, Handle] = field(init=False, default_factory=dict)
    """The handle that was given out, to who looks after the job now."""
    _alone: dict[str, Handle] = field(init=False, default_factory=dict)
    """Jobs that are to have the machine to themselves, once the others have ended."""
    _wrappers: list[subprocess.Popen[bytes]] = field(init=False, default_factory=list)
    _server: WarmServer = field(init=False)
    _shares: Shares = field(init=False)
    _began: bool = field(init=False, default=False)
    """Whether any job was started from here."""
    _crowded_since: float | None = field(init=False, default=None)
    _gpus: tuple[str, ...] = field(init=False)
    _cores: int = field(init=False)

    def __post_init__(self) -> None:
        for key in ("slots", "slots_per_gpu"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ConfigError(
                    f"`launcher.{key}={value}` lets no job run.",
                    hint="Set it to 1 or more, or to null for as many as this machine bears.",
                )
        self._server = WarmServer(self.preload)
        self._shares = Shares(self.slots_per_gpu)
        self._gpus = devices.usable(self.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
        self._cores = physical_cores()
        self._refuse_beyond(self.gpus_per_job if self._gpus else 0)

    def free_slots(self) -> int:
        """How many more jobs may start now."""
        self._forget_ended()
        if self._alone or any((h.rundir / CROWDED).exists() for h in self._running.values()):
            return 0
        if self.slots is not None or not self._gpus:
            return max(0, self._capacity - len(self._running))
        idle = self._idle_gpus()
        if len(idle) < self.gpus_per_job and not self._running:
            self._wait_for_others(len(idle))
        if self.gpus_per_job > 1:
            return len(idle) // self.gpus_per_job
        ours = self._load()
        shared = sum(max(0, self._shares.jobs() - jobs) for jobs in ours.values())
        return len(idle) * self._shares.jobs() + shared

    def submit(self, jobs: Iterable[Job]) -> Iterator[str]:
        """Start jobs, each in place of any that still runs in its run directory; their handles."""
        yield from map(self._begin, jobs)

    def _begin(self, job: Job) -> str:
        self._forget_ended()
        mine = self._assign(job)
        job = replace(job, rundir=job.rundir.absolute(), env=self._environment(job, mine))
        with _launching(job.rundir):
            (job.rundir / CROWDED).unlink(missing_ok=True)
        handle = self._launch(job, mine)
        self._began, self._crowded_since = True, None
        self._running[str(handle)] = handle
        return str(handle)

    def poll(self, handles: Sequence[str]) -> Mapping[str, JobState]:
        """The state of each job; those that run and are not known yet are adopted."""
        for text in handles:
            if text not in self._running and text not in self._alone:
                self._running[text] = Handle.parse(text).current
        self._forget_ended()
        self._shares.watch(self._load())
        going_on = self._running.keys() | self._alone.keys()
        return {h: JobState.RUNNING if h in going_on else JobState.ENDED for h in handles}

    def cancel(self, handles: Sequence[str]) -> None:
        """End jobs with all their children, at once; returns when they are gone."""
        for text in handles:
            if (waiting := self._alone.pop(text, None)) is not None:
                record_cancelled(waiting.rundir)
        end([self._running.get(text) or Handle.parse(text).current for text in handles])
        self._forget_ended()

    def clear(self, rundirs: Sequence[Path]) -> None:
        """End whatever still runs in run directories whose handles were never recorded."""
        end([stale for rundir in rundirs if (stale := wrapper_of(rundir.absolute())) is not None])

    def close(self) -> None:
        """End the warm server; jobs go on. The launcher's own end does the same."""
        self._server.close()

    @property
    def _capacity(self) -> int:
        if self.slots is not None:
            return self.slots
        if not self._gpus:
            return self._cores
        shared = self._shares.jobs() if self.gpus_per_job == 1 else 1
        return max(1, len(self._gpus) // self.gpus_per_job) * shared

    def _forget_ended(self) -> None:
        self._wrappers = [w for w in self._wrappers if w.poll() is None]
        for text, handle in list(self._running.items()):
            if handle.ended:
                self._forget(text, handle)
        if self._alone and not self._running:
            text, handle = self._alone.popitem()
            self._running[text] = self._launch(read_job(handle.rundir), handle.gpus)

    def _forget(self, text: str, handle: Handle) -> None:
        alone = len(self._running) == 1 or all(n == 1 for n in map(self._load().get, handle.gpus))
        if alone and ended_well(handle.rundir):
            self._shares.learn(handle.gpus)
        del self._running[text]
        if not handle.alive:
            handle.clear()
        if not (handle.rundir / EXIT).exists():
            hush(handle.rundir)
        if self._capacity > 1 and crowded_out(handle.rundir):
            set_back(handle.rundir)
            self._alone[text] = handle
            if not alone:
                self._shares.unlearn()

    def _load(self) -> Counter[str]:
        """How many jobs of ours each GPU has that has any."""
        return Counter(gpu for handle in self._running.values() for gpu in handle.gpus)

    def _idle_gpus(self) -> list[str]:
        ours = self._load()
        rest = tuple(gpu for gpu in self._gpus if gpu not in ours)
        others = devices.taken(rest) if self.gpus == "auto" else frozenset()
        return [gpu for gpu in rest if gpu not in others]

    def _assign(self, job: Job) -> tuple[str, ...]:
        """The GPUs for a job: those with the fewest jobs on them."""
        self._refuse_beyond(job.limits.gpus)
        if not self._gpus:
            return ()
        load = self._load()
        idle = set(self._idle_gpus())
        order = sorted(self._gpus, key=lambda gpu: (load[gpu], gpu not in idle))
        return tuple(order[: max(job.limits.gpus, self.gpus_per_job)])

    def _wait_for_others(self, idle: int) -> None:
        """Bear it for a while that others use the GPUs, if the search had some before."""
        since = self._crowded_since = self._crowded_since or time.monotonic()
        if not self._began or time.monotonic() - since > _OTHERS_SECONDS:
            raise LaunchError(
                f"{len(self._gpus) - idle} of {len(self._gpus)} GPUs are in use by others, and a job needs {self.gpus_per_job}.",
                hint="Wait, or name the GPUs to share, e.g. `launcher.gpus=0`, or train on the CPU: `launcher.gpus=none`.",
            )

    def _refuse_beyond(self, need: int) -> None:
        if need > 1 and any(gpu.startswith(devices.SLICE) for gpu in self._gpus):
            raise LaunchError(
                f"A job needs {need} GPUs, and these are slices of GPUs (MIG), of which CUDA shows a process one.",
                hint="Ask for one in `limits.gpus` and `launcher.gpus_per_job`, or name whole GPUs in `launcher.gpus`.",
            )
        if need > len(self._gpus):
            raise LaunchError(
                f"A job needs {need} GPUs, and {len(self._gpus)} can be used here.",
                hint="Ask for fewer in `limits.gpus` or `launcher.gpus_per_job`, or see `nvidia-smi`.",
            )

    def _environment(self, job: Job, mine: tuple[str, ...]) -> dict[str, str]:
        threads = self.threads or max(1, self._cores // self._capacity)
        env = {"OMP_NUM_THREADS": str(threads), **PATIENT_THREADS}
        if mine or self.gpus == "none":
            env["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        return env | dict(job.env)

    def _launch(self, job: Job, gpus: tuple[str, ...]) -> Handle:
        with _launching(job.rundir):
            if (stale := wrapper_of(job.rundir)) is not None:
                end([stale])
            write_job(job)
            pid = self._start(job)
        return Handle(pid, born(pid), job.rundir, gpus)

    def _start(self, job: Job) -> int:
        if self.warm and fits(job, self.in_process):
            pid = self._server.start_wrapper(job.rundir)
            if pid is not None:
                return pid
        with (job.rundir / LOG).open("ab") as log:
            wrapper = subprocess.Popen(
                [sys.executable, "-P", "-m", "bisector.launch.wrap", str(job.rundir)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wrappers.append(wrapper)
        return wrapper.pid


@contextmanager
def _launching(rundir: Path) -> Iterator[None]:
    """Leave no job behind whose handle nobody gets, and say it when none can be started."""
    try:
        yield
    except OSError as error:
        raise LaunchError(
            f"No job can be started in `{rundir}`: {error}.",
            hint="See that the folder can be written, and that memory and processes are not used up.",
        ) from error
    except (KeyboardInterrupt, SystemExit):
        record_cancelled(rundir)
        if (wrapper := wrapper_of(rundir)) is not None:
            end([wrapper])
        raise
