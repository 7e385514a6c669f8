"""Operations near a loss whose slope is infinite where they stand, as its graph tells before a backward pass.

A loss that is a number may have a gradient that is none: the slope of a root at 0 is infinite. When
that is seen the graph is gone, so it is read before, where there are such operations at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bisector.train.onlooker.graph import Facts, saved, told_of
from bisector.train.probes.causes import SLOPES
from bisector.train.probes.heads import name_of, nodes_of
from bisector.train.probes.tracer import Operation, range_of

NEAR = 40
"""Operations that are looked at, from the loss backwards: the model is traced by itself."""

EACH = 4
"""So many passes are all looked at, as several losses may take turns; then one in ever more."""
FEW = 200
"""A graph of more operations is not gone through for whether it is tame."""
TAME = frozenset({
    "Abs", "Add", "Addmm", "AvgPool2D", "Baddbmm", "BinaryCrossEntropyWithLogits", "Bmm", "Cat", "Clamp",
    "Clone", "Convolution", "Elu", "Embedding", "Expand", "Gelu", "Hardtanh", "HuberLoss", "LeakyRelu",
    "LogSoftmax", "MaskedFill", "MaxPool2DWithIndices", "Mean", "Mm", "MseLoss", "Mul", "Neg", "NllLoss",
    "Permute", "Relu", "Select", "Sigmoid", "Silu", "Slice", "SmoothL1Loss", "Softmax", "Softplus",
    "Squeeze", "Sub", "Sum", "T", "Tanh", "Transpose", "Unsqueeze", "UnsafeView", "View",
    "torch::autograd::AccumulateGrad",
})  # fmt: skip
"""Operations whose slope is bounded, by a number or by the values they are given."""
LARGE = 1e6
"""Below it, a loss made of a few tame operations has no gradient that overflows single precision."""

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


@dataclass(frozen=True, slots=True)
class Steep:
    """An operation whose slope is infinite somewhere."""

    name: str
    kept: torch.Tensor
    far: torch.Tensor
    """How far each of its values is from there."""
    exponent: float
    """Of a power; 0 of others."""


class Slopes:
    """Those of one training's losses, from step to step."""

    def __init__(self) -> None:
        self.tame = True
        """Whether no finite loss of so few and such operations has a gradient that is none."""
        self.again = 0
        """Up to which backward pass there is nothing to read, while it is tame."""
        self._any = False
        self._met: Steep | None = None

    def read(self, root: torch.Tensor, value: float | None, passes: int) -> None:
        """A backward pass from `root` is about to begin; several may make a step.

        Args:
            root: the loss.
            value: what it is, if that is known.
            passes: how many there have been, with this one.
        """
        if value is None or abs(value) > LARGE:
            self.tame = False
        # A loss is mostly what it was: whether to look is asked anew ever more rarely.
        again = passes > self.again
        if self._met is not None or not (self._any or again):
            return
        if again:
            self.again = passes if passes < EACH else 2 * passes
            self.tame = self.tame and _tame(root)
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
        met = self._met
        if met is None:
            return None
        far = [range_of(met.far)]
        operator = f"the gradient of {met.name}"
        operation = Operation(operator, "backward", "", "", met.name, far, far[0], [met.exponent])
        cause = SLOPES[met.name](operation)
        if cause is None:
            return None
        operation.inputs = [range_of(met.kept)]
        return told_of(operation, cause, module)


def _tame(root: torch.Tensor) -> bool:
    nodes = list(nodes_of(root.grad_fn, FEW))
    known = all(name_of(node) in TAME for node in nodes)
    return root.dtype is torch.float32 and known and len(nodes) <= FEW


def _infinite(node: Any) -> Steep | None:
    """What an operation keeps, if its slope is infinite for any value of that."""
    keeps, distance = STEEP[name_of(node)]
    kept = saved(node, keeps)
    exponent = getattr(node, "_saved_exponent", 0.0)
    if kept is None or not isinstance(exponent, int | float) or exponent >= 1:
        return None
    far = distance(kept)
    return Steep(name_of(node).lower(), kept, far, exponent) if bool((far == 0).any()) else None
