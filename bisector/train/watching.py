"""Calling a user's function only as far as `run.watch`, to see what it shows."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bisector.train.facts.shown import Absent, Shown, of_watch
from bisector.train.run import Run
from bisector.train.worker import locate


class Seen(BaseException):
    """Ends the function. No `Exception`, so that the user's own handlers let it pass.

    `shown` is None where the function began to train without having shown anything.
    """

    def __init__(self, shown: Shown | None) -> None:
        self.shown = shown


class Watching(Run):
    """A run that ends as soon as the function shows its parts, or trains without doing so."""

    def watch(
        self,
        model: nn.Module,
        optimizer: Optimizer | None = None,
        *,
        loss: Callable[..., torch.Tensor] | None = None,
        loader: Iterable[Any] | None = None,
        val_loader: Iterable[Any] | None = None,
    ) -> None:
        """Take the parts, and end the function."""
        raise Seen(of_watch(model, optimizer, loss, loader, val_loader))

    def log(self, step: int, **values: float | torch.Tensor) -> None:
        """End the function: what is logged was trained."""
        del step, values
        raise Seen(None)


def watched(target: str, cfg: Any, run: Run) -> Shown:
    """What the function `module:function` gives to `run.watch`.

    Raises:
        Absent: it returns, logs or takes an optimizer step without having called it.
    """
    hook = register_optimizer_step_pre_hook(no_step)
    try:
        locate(target)(cfg, run)
    except Seen as seen:
        if seen.shown is not None:
            return seen.shown
    finally:
        hook.remove()
    raise Absent(
        f"{target} does not call run.watch(model, optimizer, loss=..., loader=..., "
        "val_loader=...) before it trains"
    )


def no_step(*_: object) -> None:
    """End the function in place of its first step."""
    raise Seen(None)
