"""What a loss is the sum of, and how much gradient each of the terms brings.

The sum is read from the autograd graph, so that a loss written in one line and one made of
modules look the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, Node

from bisector.train.probes.tensors import norms

MOST = 8
"""Terms that are told apart; more than so many are no terms that somebody wrote."""

Edge = tuple[Node, int]

_SUMS = ("AddBackward0", "SubBackward0")
_THROUGH = ("MulBackward0", "DivBackward0", "NegBackward0", "MeanBackward0", "SumBackward0",
            "ViewBackward0", "SqueezeBackward1", "ToCopyBackward0", "PowBackward0")  # fmt: skip
"""What says nothing about what a term is."""


def terms_of(root: torch.Tensor) -> list[Edge]:
    """The terms of a scalar, in the order in which they are written; one: it is no sum."""
    node = root.grad_fn
    if node is None:
        return []
    while _name(node) in ("MulBackward0", "DivBackward0"):
        # A loss that is scaled as a whole: for a piece of the batch, or for half precision.
        inner = [(n, i) for n, i in node.next_functions if n is not None]
        if len(inner) != 1:
            break
        node = inner[0][0]
    return list(_terms((node, 0)))


def _terms(edge: Edge) -> Iterator[Edge]:
    node, _ = edge
    if _name(node) not in _SUMS:
        yield edge
        return
    for inner, number in node.next_functions:
        if inner is not None:
            yield from _terms((inner, number))


def names_of(terms: Sequence[Edge], made_by: Mapping[Node, str]) -> list[str]:
    """A name for each: of the module that made it, else of the function that did; all different."""
    names: list[str] = []
    for node, _ in terms:
        name = _named(node, made_by)
        alike = sum(n.partition("#")[0] == name for n in names)
        names.append(f"{name}#{alike + 1}" if alike else name)
    return names


def _named(node: Node, made_by: Mapping[Node, str]) -> str:
    while True:
        if node in made_by:
            return made_by[node]
        inner = [n for n, _ in node.next_functions if n is not None]
        if _name(node) not in _THROUGH or not inner:
            break
        node = inner[0]
    return (
        _name(node).removeprefix("torch::autograd::").rstrip("0123456789").removesuffix("Backward")
    )


def _name(node: Node) -> str:
    return node.name()


def shares(terms: Sequence[Edge], parameters: Sequence[nn.Parameter]) -> list[torch.Tensor]:
    """The norm of each term's gradient at the parameters that more than one term moves.

    Where no parameter is shared: at all of them. The graph stays as it was.
    """
    found = [_gradient(term, parameters) for term in terms]
    shared = [sum(g[i] is not None for g in found) > 1 for i in range(len(parameters))]
    if not any(shared):
        shared = [True] * len(parameters)
    return [_norm([g for g, s in zip(grads, shared, strict=True) if s and g is not None], parameters)
            for grads in found]  # fmt: skip


def _gradient(term: Edge, parameters: Sequence[nn.Parameter]) -> tuple[Any, ...]:
    edge: Any = GradientEdge(*term)
    metadata: Any = term[0]._input_metadata[term[1]]
    ones = torch.ones(metadata.shape, dtype=metadata.dtype, device=metadata.device)
    return torch.autograd.grad(
        [edge], list(parameters), grad_outputs=[ones], retain_graph=True, allow_unused=True
    )


def _norm(gradients: list[torch.Tensor], parameters: Sequence[nn.Parameter]) -> torch.Tensor:
    if not gradients:
        return torch.zeros((), device=parameters[0].device)
    total: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms(gradients)))
    return total
