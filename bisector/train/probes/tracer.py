"""Every operation of one step, watched for the first value that is not finite.

Only a step that is done again is traced. What is kept: operations that gave something not finite,
with the ranges of what they were given and of what they gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from bisector.train.probes import backward
from bisector.train.probes.calls import calls_of, numbers_in
from bisector.train.probes.forward import place


@dataclass(frozen=True, slots=True)
class Range:
    """What is in a tensor."""

    shape: tuple[int, ...]
    dtype: str
    least: float
    greatest: float
    """Of the finite values; NaN: there are none."""
    nans: int
    infinities: int
    smallest: float
    """The smallest magnitude."""

    @property
    def finite(self) -> bool:
        """Whether all of it is."""
        return not self.nans and not self.infinities

    def told(self) -> str:
        """In a few words, e.g. `float32[48, 10] from -3 to 0.5, 2 NaN`."""
        odd = [
            f"{n} {what}" for n, what in ((self.nans, "NaN"), (self.infinities, "infinite")) if n
        ]
        span = f"from {self.least:.3g} to {self.greatest:.3g}" if self.least == self.least else ""
        return ", ".join(filter(None, [f"{self.dtype}{list(self.shape)} {span}".strip(), *odd]))


@dataclass(slots=True)
class Operation:
    """One that gave a value which is not finite."""

    name: str
    """Of the operator, e.g. `log`."""
    phase: str
    module: str
    place: str
    """The line of the user's code: that of the forward operation, for its backward pass."""
    forward: str
    """In a backward pass: the operation whose gradient is computed."""
    inputs: list[Range]
    output: Range
    numbers: list[float]
    """The plain numbers among its arguments."""
    parents: list[int] = field(default_factory=list)
    """The operations that gave its inputs which are not finite."""
    leaves: list[str] = field(default_factory=list)
    """Such inputs that no operation of the step gave, by name."""
    rows: list[int] = field(default_factory=list)
    """The rows of the output that are not finite."""
    constant: bool = False
    """It only spreads an infinity that was written down, as a mask of -inf."""


class Tracer(TorchDispatchMode):
    """Sees all operations; `bad` are the things which must not be other than finite, and are."""

    def __init__(self, modules: dict[nn.Module, str], known: dict[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.modules = modules
        self.known = known
        """Storage of a weight or an input to its name."""
        self.operations: list[Operation] = []
        self.bad: list[int] = []
        """Operations whose output is the loss, a gradient or a weight, in order of time."""
        self.phase = "forward"
        self._stack: list[str] = []
        self._writer: dict[int, int] = {}
        self._made: dict[int, tuple[str, str, str]] = {}
        """Sequence number of autograd to operation, module and place of the forward pass."""
        self._hooks: list[Any] = []

    def begin(self, parameters: dict[str, nn.Parameter]) -> None:
        """Watch modules, the start of the backward pass, and gradients as they arrive."""
        self._hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
            *(
                p.register_post_accumulate_grad_hook(self._gradient)  # type: ignore[no-untyped-call]
                for p in parameters.values()
                if p.requires_grad
            ),
        ]
        backward.listen(self._backward)
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Stop."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        backward.unlisten(self._backward)
        for hook in self._hooks:
            hook.remove()

    def _enter(self, module: nn.Module, _: Any) -> None:
        self._stack.append(self.modules.get(module, type(module).__name__))

    def _leave(self, *_: Any) -> None:
        if self._stack:
            self._stack.pop()

    def _backward(self, roots: Sequence[torch.Tensor]) -> None:
        self.phase = "backward"
        for root in roots:
            self.judge(root.detach())

    def _gradient(self, parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            self.judge(parameter.grad)

    def judge(self, tensor: torch.Tensor) -> None:
        """Note who wrote it, if it is not finite."""
        writer = self._writer.get(storage(tensor))
        if writer is not None and not range_of(tensor).finite:
            self.bad.append(writer)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The operation's own result; it is noted if that is not finite."""
        calls = calls_of(func, args, kwargs or {})
        # What is overwritten must be looked at before.
        overwrites = func._schema.is_mutable
        before = [[range_of(t) for t in call.given()] for call in calls if overwrites]
        where = self._where(func)
        out = func(*args, **(kwargs or {}))
        for number, call in enumerate(calls):
            given = call.given()
            sources = {storage(t) for t in given} if not overwrites else set()
            for made in call.made(func, out):
                if storage(made) in sources:
                    continue  # A view writes nothing.
                if bool(made.isfinite().all()):
                    self._writer.pop(storage(made), None)
                    continue
                ranges = before[number] if overwrites else [range_of(t) for t in given]
                self._note(where, given, ranges, made, list(numbers_in((call.args, call.kwargs))))
        return out

    def _where(self, func: Any) -> tuple[str, str, str, str]:
        """Name, module and place of an operation, and in a backward pass what it is the gradient of."""
        name = func.overloadpacket.__name__
        node: Any = torch._C._current_autograd_node()
        if node is not None:
            forward, module, line = self._made.get(node._sequence_nr(), ("", "", ""))
            if isinstance(node, torch.autograd.function.BackwardCFunction):
                # What its forward pass is made of is not what its backward pass is the gradient of.
                forward = type(node).__name__.removesuffix("Backward")
            return name, module, line, forward or node.name()
        if self.phase == "backward":
            return name, "", "", ""
        module, line = self._stack[-1] if self._stack else "", place()
        self._made.setdefault(torch._C._autograd._get_sequence_nr() - 1, (name, module, line))
        return name, module, line, ""

    def _note(
        self,
        where: tuple[str, str, str, str],
        given: list[torch.Tensor],
        ranges: list[Range],
        made: torch.Tensor,
        numbers: list[float],
    ) -> None:
        name, module, line, forward = where
        phase = self.phase
        if phase == "backward" and torch._C._current_autograd_node() is None:
            phase = "update"
        operation = Operation(name, phase, module, line, forward, ranges, range_of(made), numbers)
        for tensor, seen in zip(given, ranges, strict=True):
            if seen.finite:
                continue
            writer = self._writer.get(storage(tensor))
            if writer is None:
                operation.leaves.append(self.known.get(storage(tensor), "a constant"))
            else:
                operation.parents.append(writer)
        operation.constant = self._constant(operation)
        operation.rows = rows_of(made)
        self._writer[storage(made)] = len(self.operations)
        self.operations.append(operation)

    def _constant(self, operation: Operation) -> bool:
        written = any(abs(n) == float("inf") for n in operation.numbers)
        spread = all(self.operations[p].constant for p in operation.parents) and all(
            leaf == "a constant" for leaf in operation.leaves
        )
        fed = bool(operation.parents or operation.leaves)
        return not operation.output.nans and spread and (fed or written)


def storage(tensor: torch.Tensor) -> int:
    """What two tensors share if one is a view of the other."""
    return tensor.untyped_storage().data_ptr()


def range_of(tensor: torch.Tensor) -> Range:
    """What is in a tensor; this waits for the device."""
    values = tensor.detach()
    finite = values[values.isfinite()].double()
    low, high = finite.aminmax() if finite.numel() else (torch.tensor(float("nan")),) * 2
    return Range(
        shape=tuple(values.shape),
        dtype=str(values.dtype).removeprefix("torch."),
        least=low.item(),
        greatest=high.item(),
        nans=int(values.isnan().sum()),
        infinities=int(values.isinf().sum()),
        smallest=finite.abs().min().item() if finite.numel() else float("nan"),
    )


def rows_of(tensor: torch.Tensor) -> list[int]:
    """The rows that hold a value which is not finite."""
    if tensor.ndim == 0:
        return []
    wrong = ~tensor.detach().isfinite()
    wrong = wrong.flatten(1).any(1) if wrong.ndim > 1 else wrong
    return [int(row) for row in wrong.nonzero().flatten()]
