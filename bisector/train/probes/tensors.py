"""Numbers about many tensors at once: a handful of fused kernels, and nothing read back."""

from collections.abc import Sequence

import torch
from torch import nn

Tensors = Sequence[torch.Tensor]


def norms(tensors: Tensors) -> list[torch.Tensor]:
    """The Euclidean norm of each tensor, in single precision."""
    if not tensors:
        return []
    return list(torch._foreach_norm(list(tensors), 2.0, dtype=torch.float32))


def bounds(tensors: Tensors) -> list[torch.Tensor]:
    """The least and the greatest value of each tensor; in one pass, unlike its infinity norm."""
    return [bound for t in tensors for bound in torch.aminmax(t)]


def copies(tensors: Tensors) -> list[torch.Tensor]:
    """A copy of each tensor."""
    return [t.detach().clone() for t in tensors]


def differences(after: Tensors, before: Tensors) -> list[torch.Tensor]:
    """After less before, tensor by tensor."""
    return list(torch._foreach_sub(list(after), list(before))) if after else []


def measurable(named: Sequence[tuple[str, nn.Parameter]]) -> dict[str, nn.Parameter]:
    """The parameters that have real numbers in them, by name."""
    return {n: p for n, p in named if p.numel() and p.is_floating_point()}


def gradient(parameter: nn.Parameter) -> torch.Tensor | None:
    """A parameter's gradient as a dense tensor: of a sparse one, its values."""
    found = parameter.grad
    if found is not None and found.is_sparse:
        return found.coalesce().values()
    return found


def first_tensor(value: object) -> torch.Tensor | None:
    """The tensor that a module gave, or the first of several."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        return next((t for part in value if (t := first_tensor(part)) is not None), None)
    return None


def joined(numbers: Tensors) -> torch.Tensor:
    """Single numbers as one tensor [N] in single precision, where the first of them is."""
    if not numbers:
        return torch.empty(0)
    device = numbers[0].device
    return torch.stack(
        [
            t
            if t.dtype is torch.float32 and t.device == device
            else t.to(device, torch.float32, non_blocking=True)
            for t in numbers
        ]
    )
