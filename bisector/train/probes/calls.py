"""The call of an operator taken apart: which tensors it is given, and which it makes or overwrites."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

OVER_LISTS = ("_foreach_", "_fused_", "_amp_foreach_")
"""Operators that do the same to each of many tensors, as an optimizer's step to all weights."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation on single tensors; an operator over lists makes as many as they are long."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: int | None
    """Its place in the lists; None: there are none."""

    def given(self) -> list[torch.Tensor]:
        """The floating-point tensors that it works on."""
        return [t for t in tensors_in((self.args, self.kwargs)) if t.is_floating_point()]

    def made(self, func: Any, out: Any) -> list[torch.Tensor]:
        """The floating-point tensors that hold its result, of all that `func` gave."""
        if out is None:
            found = self._written(func)
        elif self.place is not None and isinstance(out, list | tuple):
            found = list(tensors_in(out[self.place]))
        else:
            found = list(tensors_in(out))
        return [t for t in found if t.is_floating_point() and t.numel()]

    def _written(self, func: Any) -> list[torch.Tensor]:
        named = {spec.name: spec for spec in func._schema.arguments}
        values = [*zip(func._schema.arguments, self.args, strict=False)]
        values += [(named[name], value) for name, value in self.kwargs.items()]
        written = [v for spec, v in values if spec.alias_info and spec.alias_info.is_write]
        return list(tensors_in(written))


def calls_of(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Call]:
    """The operations that a call of an operator stands for."""
    if not func._schema.name.removeprefix("aten::").startswith(OVER_LISTS):
        return [Call(args, kwargs, None)]
    size = len(args[0])

    def nth(value: Any, i: int) -> Any:
        return value[i] if isinstance(value, list | tuple) and len(value) == size else value

    return [
        Call(tuple(nth(a, i) for a in args), {n: nth(v, i) for n, v in kwargs.items()}, i)
        for i in range(size)
    ]


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in arguments or results."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)


def numbers_in(value: Any) -> Iterator[float]:
    """The plain numbers in arguments."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, dict):
        yield from numbers_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from numbers_in(part)
