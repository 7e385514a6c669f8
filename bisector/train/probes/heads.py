"""What stands right before the loss's own softmax or sigmoid, as the graph of the loss tells.

No number is read: whether a value is squashed twice is written in how it was computed.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.graph import Node

MOST = 200
"""Operations that are looked at, from the loss backwards: heads are near it."""

BOUNDED = ("Softmax", "Sigmoid", "Relu", "Tanh", "Softplus")
"""Operations whose results cannot be any number, as scores may."""
TAKES_SCORES = {
    "LogSoftmax": BOUNDED,
    "BinaryCrossEntropyWithLogits": BOUNDED,
    "LogSigmoid": ("Softmax", "Sigmoid"),
    "Logsumexp": ("Softmax",),
    "Softmax": ("Softmax",),
    "Sigmoid": ("Sigmoid",),
}
"""By the operation that takes scores, what cannot have been meant to be them."""
_THROUGH = (
    "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "T", "Permute",
    "Slice", "Select", "ToCopy", "Clone", "Expand",
)  # fmt: skip
"""Operations that leave the values as they are. Not a product: what is scaled may be sure again."""


def squashed(root: torch.Tensor) -> list[str]:
    """Of the first operation that takes scores and is given what was squashed: what did so, and it.

    Empty: there is none, or the graph does not show it, as that of a compiled loss.
    """
    for node in nodes_of(root.grad_fn, MOST):
        taking = name_of(node)
        for given in map(name_of, _given(node)):
            if given in TAKES_SCORES.get(taking, ()):
                return [given, taking]
    return []


def name_of(node: Any) -> str:
    """An operation by its name alone, e.g. `LogSoftmax`."""
    return str(node.name()).rstrip("0123456789").removesuffix("Backward")


def nodes_of(root: Node | None, most: int) -> Iterator[Node]:
    """The operations of a graph, about so many at most, those near the loss first."""
    found = [root] if root is not None else []
    seen = set(found)
    for node in found:
        yield node
        inner = [n for n, _ in node.next_functions if n is not None and n not in seen]
        seen |= set(inner)
        if len(found) < most:
            found += inner


def _given(node: Node) -> Iterator[Node]:
    """What gave an operation its values."""
    for inner, _ in node.next_functions:
        if inner is not None and name_of(inner) in _THROUGH:
            yield from _given(inner)
        elif inner is not None:
            yield inner
