"""Losses that are scaled for half precision: what they were before."""

from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from bisector.train.onlooker.hearing import Hearing
from bisector.train.probes.guard import Guard


class Scaling:
    """Hears what a `GradScaler` is given to scale."""

    def __init__(self, guard: Guard) -> None:
        self._given: torch.Tensor | None = None
        self._hearing = Hearing(GradScaler, "scale", guard(self._scale), before=True)

    def end(self) -> None:
        """Hear no more."""
        self._hearing.end()
        self._given = None

    def _scale(self, args: tuple[Any, ...]) -> None:
        self._given = args[1] if len(args) > 1 and isinstance(args[1], torch.Tensor) else None

    def before(self, root: torch.Tensor) -> torch.Tensor:
        """What the root of a backward pass was made of, if that was what was scaled last; else the root."""
        given, node = self._given, root.grad_fn
        if given is None or node is None or given is root:
            return root
        made_of = {inner for inner, _ in node.next_functions}
        return given if given.grad_fn in made_of else root
