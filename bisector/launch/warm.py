"""The warm server: `python -m bisector.launch.warm FD MODULE...`. It imports once, forks often.

A fresh Python needs seconds to import torch; a fork of a process that has it needs
milliseconds. The server holds no threads and never touches a GPU, as neither
survives a fork. It ends when the launcher goes away; the jobs it has forked do not.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from bisector.launch.in_process import become
from bisector.launch.wrap import fork, take_charge
from bisector.ports import Job

_ALWAYS = ("torch", "numpy", "omegaconf", "hydra.utils", "threadpoolctl")
_SINGLE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Otherwise torch.cuda.is_available(), which many modules call when imported, starts CUDA.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
_LOOK_SECONDS = 2.0
"""Between two looks whether the launcher is still there, should its end of the line be leaked."""


def main(channel: int, modules: Sequence[str]) -> None:
    """Import, then serve; in a forked job, run it."""
    launcher = os.getppid()
    with _single_threaded():
        preload(_ALWAYS)
        _touch_optimizer()
        sys.path.append(str(Path.cwd()))  # Last, where it hides nothing.
        preload(modules)
        sys.path.pop()
    if modules and not fork_safe():
        # Once more, without what spoilt it; the channel was inherited and is so again.
        os.execv(sys.executable, [sys.executable, "-P", "-m", __spec__.name, str(channel)])
    for finalizer in tuple(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False  # What the server holds is not a job's to clear away.
    gc.collect()
    gc.freeze()  # Pages that the collector does not write stay shared with every fork.
    job = serve(socket.socket(fileno=channel), launcher)
    if job is not None:
        become(job)


def preload(modules: Sequence[str]) -> None:
    """Import what can be imported; what cannot is for the job that needs it to say."""
    for name in modules:
        with contextlib.suppress(Exception, SystemExit):  # Foreign code may raise anything.
            importlib.import_module(name)


def fork_safe() -> bool:
    """Whether no import has started a thread or CUDA, which a forked job could not use."""
    maps = Path("/proc/self/maps")
    cuda = maps.exists() and "libcuda.so" in maps.read_text(encoding="utf-8", errors="replace")
    return threading.active_count() == 1 and not cuda


def serve(channel: socket.socket, launcher: int) -> Job | None:
    """Fork a wrapper per request until the launcher is gone.

    Returns None in the server, at its end, and the job in every process that is to
    become one: so a job starts with nothing of the server's on its stack.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel buries the wrappers.
    for request in _requests(channel, launcher):
        wrapper = os.fork()
        if wrapper == 0:
            channel.close()
            return _wrap(Path(request["rundir"]))
        answer = {"number": request["number"], "pid": wrapper}
        with contextlib.suppress(OSError):
            channel.sendall(json.dumps(answer).encode() + b"\n")
    return None


def _wrap(rundir: Path) -> Job:
    """Be the wrapper of one job; returns in the job's own process only."""
    os.setsid()
    job = take_charge(rundir)
    if job is None:
        os._exit(0)
    side = fork(job)
    if side.child:
        side.watch()
        os._exit(0)
    os.close(side.complaints)
    return job


def _requests(channel: socket.socket, launcher: int) -> Iterator[dict[str, str]]:
    channel.settimeout(_LOOK_SECONDS)
    pending = b""
    while os.getppid() == launcher:
        try:
            data = channel.recv(65536)
        except TimeoutError:
            continue
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        yield from map(json.loads, lines)


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Keep libraries from starting threads while they load."""
    before = dict(os.environ)
    os.environ.update(_SINGLE)
    try:
        yield
    finally:
        for name in _SINGLE:
            if name in before:
                os.environ[name] = before[name]
            else:
                os.environ.pop(name, None)


def _touch_optimizer() -> None:
    """Cause the imports that torch puts off until the first optimizer, about a second's worth."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
