"""Sees every backward pass of the process begin, whoever calls it.

`Tensor.backward` looks `torch.autograd.backward` up when it is called, so that name is the one
place through which all of them pass. It is put back when nobody listens any more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

Listener = Callable[[Sequence[torch.Tensor]], None]
"""Is told the roots, mostly the loss alone, before the gradient is computed."""

_LISTENERS: list[Listener] = []
_ORIGINAL = torch.autograd.backward


def listen(listener: Listener) -> None:
    """Tell `listener` of every backward pass from now on."""
    _LISTENERS.append(listener)
    torch.autograd.backward = _heard


def unlisten(listener: Listener) -> None:
    """Tell it no more."""
    if listener in _LISTENERS:
        _LISTENERS.remove(listener)
    if not _LISTENERS:
        torch.autograd.backward = _ORIGINAL


def _heard(tensors: Any, *args: Any, **kwargs: Any) -> None:
    roots = (tensors,) if isinstance(tensors, torch.Tensor) else tuple(tensors)
    for listener in tuple(_LISTENERS):
        listener(roots)
    _ORIGINAL(tensors, *args, **kwargs)
