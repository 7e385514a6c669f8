"""The child process of a recipe or function: `python -m bisector.train.worker MODULE:FUNCTION SEED`.

It may also be run in a fork of a process that has torch loaded, so nothing happens on import.
"""

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from hydra.errors import HydraException

from bisector.rundir import ENV_RUNDIR, EXIT_ENVIRONMENT, EXIT_OOM
from bisector.train.given import config_in
from bisector.train.observing import run_in
from bisector.train.run import Run
from bisector.train.seeding import seed_everything, use_deterministic_algorithms

CPU_ALLOCATOR = ("can't allocate memory", "not enough memory")
"""What torch's CPU allocator says, in a plain RuntimeError, when memory runs out."""


def main(argv: list[str]) -> int:
    """Train once. An exception of the user's code is passed on; the exit code says whose fault."""
    target, seed = argv
    try:
        work(target, int(seed))
    except (HydraException, ImportError, MemoryError, OSError, RuntimeError) as error:
        code = exit_code(error)
        if code is None:
            raise
        traceback.print_exc()
        return code
    return 0


def work(target: str, seed: int) -> None:
    """Call `target` with the run directory's configuration and a `Run`."""
    rundir = Path(os.environ[ENV_RUNDIR])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    use_deterministic_algorithms()
    function = locate(target)
    seed_everything(seed)
    function(config_in(rundir), run_in(rundir, seed))


def locate(target: str) -> Callable[[object, Run], object]:
    """The function that `module:function` names."""
    module, _, name = target.partition(":")
    function: Callable[[object, Run], object] = getattr(importlib.import_module(module), name)
    return function


def exit_code(error: BaseException) -> int | None:
    """The exit code for an exception that is not the training's fault; None: it is."""
    for cause in causes(error):
        if is_out_of_memory(cause):
            return EXIT_OOM
        if isinstance(cause, ImportError) or is_disk_full(cause):
            return EXIT_ENVIRONMENT
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and those it was raised from, outermost first (Hydra wraps its callees')."""
    while error is not None:
        yield error
        error = error.__cause__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the machine or on the GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in CPU_ALLOCATOR)


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed for want of space or quota."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
