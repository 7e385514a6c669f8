"""Sees every backward pass of the process begin, whoever calls it.

`Tensor.backward` looks `torch.autograd.backward` up when it is called, so that name is the one
place through which all of them pass. It is put back when nobody listens any more.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

Listener = Callable[[Sequence[torch.Tensor]], None]
"""Is told the roots, mostly the loss alone, before the gradient is computed."""

_listeners: tuple[Listener, ...] = ()
_ORIGINAL = torch.autograd.backward


def listen(listener: Listener) -> None:
    """Tell `listener` of every backward pass from now on."""
    global _listeners  # noqa: PLW0603  a new tuple, so that one which is being gone through stays whole
    _listeners = (*_listeners, listener)
    torch.autograd.backward = _heard


def unlisten(listener: Listener) -> None:
    """Tell it no more."""
    global _listeners  # noqa: PLW0603  as above
    _listeners = tuple(other for other in _listeners if other != listener)
    if not _listeners:
        torch.autograd.backward = _ORIGINAL


def _heard(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: Any = None,
    create_graph: bool = False,  # noqa: FBT001, FBT002
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Stands in for torch's own, with its parameters: `*args, **kwargs` would take five times as long."""
    if isinstance(tensors, torch.Tensor):
        roots: tuple[torch.Tensor, ...] = (tensors,)
    else:  # There may be edges of the graph among them.
        roots = tuple(t for t in tensors if isinstance(t, torch.Tensor))
    if roots:
        for listener in _listeners:
            listener(roots)
    _ORIGINAL(tensors, grad_tensors, retain_graph, create_graph, grad_variables, inputs)
