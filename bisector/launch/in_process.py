"""Runs `python -m MODULE` inside a process that is there already, as a fresh one would run it."""

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import os
import runpy
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn, cast

from bisector.ports import Job

WORKERS = ("bisector.train.worker", "bisector.train.preflight", "bisector.train.inspection")
"""The modules that are ours to run without a new interpreter."""

_READ_AT_START = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "KMP_", "MKL_", "TORCH", "PYTORCH")
"""Beginnings of variables that an interpreter or a library reads once, when it is loaded."""
_HANDLED = ("PYTHONPATH", "PYTHONUNBUFFERED")
"""Those of them that make no difference: `become` honours one, every job has the other."""


def fits(job: Job, modules: Collection[str]) -> bool:
    """Whether a process with this one's environment could run the job without a new start."""
    match job.argv:
        case (program, "-m", module, *_) if program == sys.executable and module in modules:
            return all(
                name in _HANDLED
                or not name.startswith(_READ_AT_START)
                or os.environ.get(name) == value
                for name, value in job.env.items()
            )
    return False


def become(job: Job) -> NoReturn:
    """Run a job that `fits`, in this process, which must be its own: environment and folder set."""
    program, _, module, *arguments = job.argv
    sys.orig_argv[:] = job.argv
    sys.argv = [program, *arguments]
    sys.path[:] = dict.fromkeys([*search_path(), *sys.path])
    importlib.invalidate_caches()
    _reseed()
    _limit_threads(os.environ.get("OMP_NUM_THREADS", ""))
    _leave(run_module(module))


def run_module(module: str) -> int:
    """Do as `python -m MODULE` does once the interpreter stands; the exit code it would have.

    `sys.argv` holds the arguments. An uncaught exception is shown on stderr.
    """
    sys.modules.pop(module, None)  # A copy imported earlier would not be run again.
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except Exception:  # noqa: BLE001 - it is the user's program that raises, not ours.
        sys.excepthook(*cast("tuple[type[BaseException], BaseException, Any]", sys.exc_info()))
        return 1
    return 0


def _leave(code: int) -> NoReturn:
    """End this process as multiprocessing ends a fork, and with all files written.

    Taking down an interpreter with torch in it costs a quarter of a second (264 ms against
    14 ms measured) and gives nothing back that the kernel does not.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for thing in gc.get_objects():  # Files that nobody closed; the server's are frozen.
        if isinstance(thing, io.IOBase) and not thing.closed:
            with contextlib.suppress(OSError, ValueError):
                thing.flush()
    ctypes.CDLL(None).fflush(None)
    os._exit(code)


def search_path() -> list[str]:
    """What `python -m` puts before the installed packages, for the folder and environment now."""
    here = [] if os.environ.get("PYTHONSAFEPATH") else [str(Path.cwd())]
    named = os.environ.get("PYTHONPATH", "")
    return here + [str(Path(entry).absolute()) for entry in named.split(os.pathsep) if named]


def _reseed() -> None:
    """Give global generators the unpredictable state of a fresh process.

    Python's own does this at a fork by itself; users who seed are not concerned.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.seed()


def _limit_threads(count: str) -> None:
    """Tell libraries that are loaded already what OMP_NUM_THREADS would have told them."""
    if not count.isdigit():
        return
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(int(count))
    pools: Any = sys.modules.get("threadpoolctl")
    if pools is not None and int(count) > 1:
        pools.threadpool_limits(int(count))
