"""What talks to Ray for a search: `python -m bisector.launch.ray_desk FD`.

A process of its own, since Ray ends a process whose node or cluster is gone. It is told its options
and then asked over a socket, one question and one answer a message of JSON, by `ray_line`; what it
knows of jobs, its successor finds out anew. It ends when the line does.

No file system is shared: a job's files go with it, and what it writes comes back into its run
directory while it runs. A job whose node is lost goes on elsewhere from the last checkpoint
that came back.
"""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayError

from bisector.errors import BisectError, LaunchError
from bisector.launch.handle import record_cancelled
from bisector.launch.hush import hush
from bisector.launch.job_file import forget_attempt, read_job, write_job
from bisector.launch.processes import LINUX, die_with
from bisector.launch.ray_handle import RayHandle
from bisector.launch.ray_keeper import Keeper, Known, News, Order, place
from bisector.ports import Job, JobState
from bisector.rundir import CHECKPOINT, EXIT, JOB, LOG, PROCESS

_LOOK_SECONDS = 0.3
"""Between two questions to a job's keeper."""
_ANSWER_SECONDS = 2.0
"""How long to wait for answers; those of keepers that have no place yet never come."""
_CANCEL_SECONDS = 20.0
_HEARD_SECONDS = 0.2
_KNOCK_SECONDS = 10.0
_NAMESPACE = "bisect"
_SENT_WITHOUT = {"excludes": ["/out", "/.git", "/.venv", "/mlruns"]}
"""What lies in a folder of code and is none."""


@dataclass(slots=True)
class _Kept:
    """A job under way, as seen from here."""

    rundir: Path
    keeper: Any
    known: dict[str, Known] = field(default_factory=dict)
    question: Any = None
    """An answer that is awaited."""
    asked: float = 0.0
    seen: bool = False
    """Whether the keeper has ever answered, so that it has a place."""

    @property
    def ended(self) -> bool:
        return (self.rundir / EXIT).exists()


@dataclass(slots=True, eq=False)
class Desk:
    """Answers what the launcher asks; its fields are the launcher's own, which says what they are."""

    address: str
    cpus: float
    gpus_per_job: int
    resources: Mapping[str, float]
    runtime_env: Mapping[str, Any]
    elastic: bool

    _kept: dict[str, _Kept] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        _connect(self.address, self.runtime_env)

    def capacity(self) -> int:
        """How many jobs the cluster has room for, those that run included."""
        total = ray.cluster_resources()
        cpus = int(total.get("CPU", 0) // self.cpus) if self.cpus else sys.maxsize
        gpus = int(total.get("GPU", 0) // self.gpus_per_job) if self.gpus_per_job else cpus
        return max(1, min(cpus, gpus))

    def start(self, text: str) -> None:
        """Send the job that a run directory's job.json names; once, however often it is asked for."""
        handle = RayHandle.parse(text)
        self._refuse_beyond(read_job(Path(handle.rundir)))
        there = _keeper(handle.ray)
        kept = None if there is None else _Kept(Path(handle.rundir), there)
        self._kept[text] = kept or self._start(handle)

    def poll(self, handles: Sequence[str]) -> Mapping[str, str]:
        """The state of each job; what has changed in its run directory comes back on the way."""
        states: dict[str, str] = {}
        waiting = []
        for text in handles:
            kept = self._kept.get(text) or self._adopt(text)
            if kept is None:
                states[text] = JobState.ENDED
            else:
                self._kept[text] = kept
                self._ask(kept)
                waiting.append((text, kept))
        _await([kept for _, kept in waiting])
        return states | {text: self._state(text, kept) for text, kept in waiting}

    def cancel(self, text: str) -> None:
        """End a job with all its children; returns when its last files have come back."""
        kept = self._kept.pop(text, None) or self._adopt(text)
        if kept is not None and not kept.ended:
            _cancel(kept)

    def clear(self, rundir: str) -> None:
        """End whatever still runs for a run directory whose handle was never recorded."""
        handle = RayHandle.of(Path(rundir))
        if (keeper := _keeper(handle.ray)) is not None:
            _cancel(_Kept(Path(rundir), keeper))

    def _refuse_beyond(self, job: Job) -> None:
        need = max(job.limits.gpus, self.gpus_per_job)
        most = max(
            (int(n["Resources"].get("GPU", 0)) for n in ray.nodes() if n["Alive"]), default=0
        )
        if need > most and not self.elastic:
            raise LaunchError(
                f"A job needs {need} GPUs, and the cluster's largest node has {most}.",
                hint="Ask for fewer, or say that it will grow: `launcher.elastic=true`.",
            )

    def _start(self, handle: RayHandle) -> _Kept:
        rundir = Path(handle.rundir)
        job = read_job(rundir)
        shipped = str(Path.cwd()) if "working_dir" in self.runtime_env else None
        held = _folders(rundir), _files(rundir), _links(rundir)
        order = Order(job, *held, sys.executable, shipped)
        options = {
            "name": handle.ray,
            "namespace": _NAMESPACE,
            "lifetime": "detached",
            "num_cpus": self.cpus,
            "num_gpus": max(job.limits.gpus, self.gpus_per_job),
            "resources": dict(self.resources),
            "max_restarts": 0,
        }
        keeper = ray.remote(Keeper).options(**options).remote(order)
        # Should this process be killed now, the cluster must have heard of the job.
        ray.wait([keeper.__ray_ready__.remote()], timeout=_HEARD_SECONDS)
        return _Kept(rundir, keeper)

    def _adopt(self, text: str) -> _Kept | None:
        """A job that an earlier desk has started; None if it has ended or nobody keeps it."""
        handle = RayHandle.parse(text)
        keeper = _keeper(handle.ray)
        kept = None if keeper is None else _Kept(Path(handle.rundir), keeper)
        if (Path(handle.rundir) / EXIT).exists():
            if kept is not None:  # Its end came back, and nobody was left to let it go.
                _dismiss(kept)
            return None
        return kept or self._start_again(handle)

    def _start_again(self, handle: RayHandle) -> _Kept | None:
        """The lost job once more, if it has a checkpoint that it did not begin with."""
        rundir = Path(handle.rundir)
        checkpoint, begun = rundir / CHECKPOINT, rundir / JOB
        if not checkpoint.exists() or checkpoint.stat().st_mtime <= begun.stat().st_mtime:
            hush(rundir)
            return None
        write_job(read_job(rundir))  # Its time says from now on when the job has begun.
        forget_attempt(rundir)
        return self._start(handle)

    def _ask(self, kept: _Kept) -> None:
        if kept.question is None and time.monotonic() - kept.asked >= _LOOK_SECONDS:
            kept.asked = time.monotonic()
            kept.question = kept.keeper.news.remote(kept.known)

    def _state(self, text: str, kept: _Kept) -> JobState:
        over = kept.ended or _hear(kept)
        if not over:
            return JobState.RUNNING if kept.seen else JobState.WAITING
        _dismiss(kept)
        del self._kept[text]
        if kept.ended:
            hush(kept.rundir)  # Its node need not know all the secrets that this machine knows.
            return JobState.ENDED
        again = self._start_again(RayHandle.parse(text))
        if again is None:
            return JobState.ENDED
        self._kept[text] = again
        return JobState.WAITING


def _connect(address: str, runtime_env: Mapping[str, Any]) -> None:
    try:
        _knock(address)
        ray.init(
            address=address,
            namespace=_NAMESPACE,
            log_to_driver=False,
            configure_logging=False,
            runtime_env=_SENT_WITHOUT | dict(runtime_env)
            if "working_dir" in runtime_env
            else dict(runtime_env),
        )
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise LaunchError(
            f"`launcher=ray` reaches no cluster at `{address}`: {' '.join(str(error).split())[:200]}.",
            hint="Start one with `ray start --head`, or name one: `launcher.address=HOST:6379`.",
        ) from None


def _knock(address: str) -> None:
    """OSError where nobody listens, which Ray itself takes minutes to say."""
    place = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = place.rpartition(":")
    if port.isdecimal() and "://" not in place:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()


def _await(kept: Sequence[_Kept]) -> None:
    """Wait for the answers of those who have a place; a new one may not be there yet."""
    known = [k.question for k in kept if k.question is not None and k.seen]
    if known:
        ray.wait(known, num_returns=len(known), timeout=_ANSWER_SECONDS)


def _hear(kept: _Kept) -> bool:
    """Take in an answer if there is one; whether the job is over, or lost with its node."""
    if kept.question is None or not ray.wait([kept.question], timeout=0)[0]:
        return False
    try:
        news: News = ray.get(kept.question)
    except ActorUnavailableError:
        kept.question = None  # Its node is silent, and nobody has said that it is lost.
        return False
    except RayError:
        return True
    kept.question, kept.seen = None, True
    _take(kept, news)
    if news.more:
        kept.asked = 0.0
    return news.over and not news.more


def _take(kept: _Kept, news: News) -> None:
    for piece in news.pieces:
        try:
            place(kept.rundir, piece)
        except OSError as error:
            raise LaunchError(
                f"What a job has written cannot be brought back into `{kept.rundir}`: {error}.",
                hint="See that the folder can be written; the job goes on, and so does the search when it is started again.",
            ) from error
        kept.known[piece.name] = piece.known


def _cancel(kept: _Kept) -> None:
    """End a job and fetch what it has left; one that has no place or no node just goes."""
    deadline = time.monotonic() + _CANCEL_SECONDS
    try:
        ray.get(kept.keeper.cancel.remote(), timeout=_CANCEL_SECONDS if kept.seen else 5.0)
        while not kept.ended and time.monotonic() < deadline:
            _take(kept, ray.get(kept.keeper.news.remote(kept.known), timeout=_CANCEL_SECONDS))
    except (RayError, LaunchError):  # Timeouts are among the former.
        pass
    hush(kept.rundir)
    record_cancelled(kept.rundir)
    _dismiss(kept)


def _dismiss(kept: _Kept) -> None:
    """Let a keeper go, and its copy of the files with it."""
    left = kept.keeper.leave.remote()
    ray.wait([left], timeout=_ANSWER_SECONDS)
    ray.kill(kept.keeper)


def _keeper(name: str) -> Any:
    """The keeper of that name, None if there is none."""
    try:
        return ray.get_actor(name, _NAMESPACE)
    except ValueError:
        return None


def _files(rundir: Path) -> dict[str, bytes]:
    """What a run directory holds, without what belongs to an earlier start."""
    left = {EXIT, LOG, PROCESS, JOB}
    found = (p for p in rundir.rglob("*") if p.is_file() and not p.is_symlink())
    named = {p.relative_to(rundir).as_posix(): p for p in found if p.suffix != ".part"}
    return {name: path.read_bytes() for name, path in named.items() if name not in left}


def _folders(rundir: Path) -> tuple[str, ...]:
    found = (p for p in rundir.rglob("*") if p.is_dir() and not p.is_symlink())
    return (".", *sorted(p.relative_to(rundir).as_posix() for p in found))


def _links(rundir: Path) -> dict[str, str]:
    """The symbolic links in a run directory, which may lead out of it: to the user's code, say."""
    found = (p for p in rundir.rglob("*") if p.is_symlink())
    return {p.relative_to(rundir).as_posix(): str(p.readlink()) for p in found}


_VERBS: Mapping[str, Callable[..., Any]] = {
    f.__name__: f for f in (Desk.capacity, Desk.start, Desk.poll, Desk.cancel, Desk.clear)
}


def main(channel: int) -> None:
    """Hear the options, come to the cluster, say so, then answer until the launcher is gone."""
    with contextlib.suppress(ProcessLookupError):
        if LINUX:
            die_with(os.getppid())
    line = Connection(channel)
    options = json.loads(line.recv_bytes())
    desks: list[Desk] = []
    _tell(line, 0, lambda: desks.append(Desk(**options)))
    with contextlib.suppress(EOFError, OSError):
        while desks:
            number, verb, given = json.loads(line.recv_bytes())
            _tell(line, number, partial(_VERBS[verb], desks[0], *given))
    os._exit(0)  # Ray's own way out waits for a cluster that may be gone.


def _tell(line: Connection, number: int, find: Callable[[], object]) -> None:
    """Send an answer: what was found, what is refused and why, or that the cluster is silent."""
    answer: dict[str, object] = {"number": number}
    try:
        found = find()
        answer["said"] = True if found is None else found  # None is what silence is.
    except BisectError as error:
        answer["refused"] = [str(error), error.hint]
    except (RayError, ConnectionError) as error:
        answer["silent"] = str(error)
    line.send_bytes(json.dumps(answer).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
