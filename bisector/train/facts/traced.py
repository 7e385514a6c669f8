"""A forward pass, seen module by module."""

from typing import Any

import torch
from torch import nn

from bisector.train.facts.shown import Absent

Traced = tuple[str, torch.Tensor | None, torch.Tensor]
"""A module's path, its input and its output."""


def trace(model: nn.Module, x: torch.Tensor) -> list[Traced]:
    """What every module takes and gives, in the order in which they end.

    Of a tuple, as recurrent layers give, the first tensor.

    Raises:
        Absent: the model's own output is not one tensor.
    """
    seen: list[Traced] = []

    def note(name: str, args: tuple[Any, ...], out: object) -> None:
        given = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if name and isinstance(out, tuple):
            out = next((part for part in out if isinstance(part, torch.Tensor)), None)
        if isinstance(out, torch.Tensor) and out.ndim:
            seen.append((name, given, out.detach()))

    hooks = [
        module.register_forward_hook(lambda _, args, out, name=name: note(name, args, out))
        for name, module in model.named_modules()
    ]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen or seen[-1][0] != "":
        raise Absent("the model's output is not one tensor")
    return seen


def seeded(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model, about to draw what it drew the last time."""
    torch.manual_seed(seed)
    return model
