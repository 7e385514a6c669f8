"""Lets an existing program report to the search that runs it, and do nothing anywhere else.

`@bisector.trainable` above `@hydra.main` makes an application a training function;
`bisector.log` reports from wherever it is called.
"""

import functools
import os
from collections.abc import Callable, Mapping
from functools import cache
from inspect import unwrap
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bisector.rundir import ENV_RUNDIR

if TYPE_CHECKING:
    from bisector.train.run import Run

RESULT = "result"
"""The name under which a single number that an application returns is recorded."""


class _Here:
    """The run that this process trains."""

    run: "Run | None" = None
    step: int = 0


@cache
def run_here() -> "Run | None":
    """The run that a search has started this process for; None: there is no search."""
    folder = os.environ.get(ENV_RUNDIR)
    if folder is None:
        return None
    from bisector.train.run import Run  # noqa: PLC0415  it brings torch

    return _Here.run or Run(Path(folder), seed=0)


def log(step: int, **values: Any) -> None:
    """Record metrics at a step of this process's run; outside of a search, nothing."""
    _Here.step = max(_Here.step, step)
    if (run := run_here()) is not None:
        run.log(step, **values)


def trainable(application: Callable[..., Any]) -> Callable[..., Any]:
    """Make a `@hydra.main` application a training function `(cfg, run)` as well.

    Called as ever, it is the application that it was. Called by a search, what is below
    `@hydra.main` gets the arm's configuration; the numbers that it returns are recorded.
    """
    task = unwrap(application)

    @functools.wraps(application)
    def either(*given: Any) -> Any:
        if len(given) != 2:
            return application(*given)
        config, _Here.run = given
        run_here.cache_clear()
        result = task(config)
        if values := _numbers(result):
            log(_Here.step, **values)
        return result

    return either


def _numbers(result: Any) -> dict[str, float]:
    if isinstance(result, Mapping):
        return {str(k): float(v) for k, v in result.items() if isinstance(v, Real)}
    return {RESULT: float(result)} if isinstance(result, Real) else {}
