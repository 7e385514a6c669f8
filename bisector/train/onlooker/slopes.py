"""Operations near a loss whose slope is infinite where they stand, as its graph tells before a backward pass.

A loss that is a number may have a gradient that is none: the slope of a root at 0 is infinite. When
that is seen the graph is gone, so it is read before, where there are such operations at all.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from bisector.train.onlooker.graph import Facts, saved, told_of
from bisector.train.probes.causes import SLOPES
from bisector.train.probes.heads import name_of, nodes_of
from bisector.train.probes.tracer import Operation, range_of

NEAR = 40
"""Operations that are looked at, from the loss backwards: the model is traced by itself."""

Distance = Callable[[torch.Tensor], torch.Tensor]


def _itself(x: torch.Tensor) -> torch.Tensor:
    return x


STEEP: Mapping[str, tuple[str, Distance]] = {
    "Sqrt": ("result", _itself),
    "Log": ("self", _itself),
    "Log2": ("self", _itself),
    "Log10": ("self", _itself),
    "Log1P": ("self", lambda x: 1 + x),
    "Acos": ("self", lambda x: 1 - x * x),
    "Asin": ("self", lambda x: 1 - x * x),
    "Pow": ("self", _itself),
}
"""Operation to what its graph keeps of it, and how far that is from where the slope is infinite."""


class Slopes:
    """Those of one training's losses, from step to step."""

    def __init__(self) -> None:
        self._passes = 0
        self._any = False
        self._met: tuple[Any, torch.Tensor, Operation] | None = None

    def read(self, root: torch.Tensor) -> None:
        """A backward pass from `root` is about to begin; several may make a step."""
        self._passes += 1
        # A loss is mostly what it was: whether to look is asked anew ever more rarely.
        if self._met is not None or (not self._any and self._passes & (self._passes - 1)):
            return
        nodes = [node for node in nodes_of(root.grad_fn, NEAR) if name_of(node) in STEEP]
        self._any = bool(nodes)
        # The last one on the way forward is the first on the way back.
        nodes.sort(key=lambda node: -node._sequence_nr())
        self._met = next((met for node in nodes if (met := _infinite(node))), None)

    def forget(self) -> None:
        """The step's gradient is finite."""
        self._met = None

    def facts(self, module: str) -> Facts | None:
        """The one that was met in this step, as the facts of a birth; None: there was none."""
        if self._met is None:
            return None
        _, given, operation = self._met
        cause = SLOPES[operation.forward](operation)
        if cause is None:
            return None
        operation.inputs = [range_of(given)]
        return told_of(operation, cause, module)


def _infinite(node: Any) -> tuple[Any, torch.Tensor, Operation] | None:
    """What an operation keeps, if its slope is infinite for any value of that."""
    kind = name_of(node)
    keeps, distance = STEEP[kind]
    kept = saved(node, keeps)
    exponent = getattr(node, "_saved_exponent", 0.0)
    if kept is None or not isinstance(exponent, int | float) or exponent >= 1:
        return None
    far = distance(kept)
    if not bool((far == 0).any()):
        return None
    name, ranges = kind.lower(), [range_of(far)]
    operator = f"the gradient of {name}"
    return node, kept, Operation(operator, "backward", "", "", name, ranges, ranges[0], [exponent])
