"""What the graph of a loss tells of how it was computed: operations that were given what they cannot take."""

from typing import Any

import torch

from bisector.train.probes.births import ranges_told
from bisector.train.probes.causes import INSIDE, VALUES, Cause, divided
from bisector.train.probes.heads import nodes_of
from bisector.train.probes.tracer import Operation, Range, range_of

MOST = 2000
"""Operations that are looked at, from the loss backwards."""
Facts = dict[str, Any]
OVERFLOW = "Subtract the largest value first, clamp, or use logsumexp, softplus or log_softmax."


def born_in_graph(root: torch.Tensor, module: str) -> Facts | None:
    """The earliest operation that must have given NaN or infinity, as the facts of a birth; else None."""
    found = [(node, *each) for node in nodes_of(root.grad_fn, MOST) if (each := _wrong(node))]
    if not found:
        return None
    # Numbers are given out as the forward pass goes on.
    _, operation, cause = min(found, key=lambda each: each[0]._sequence_nr())
    return told_of(operation, cause, module)


def told_of(operation: Operation, cause: Cause, module: str) -> Facts:
    """An operation that the graph tells of and what is wrong with it, as the facts of a birth."""
    return {
        "operator": operation.name,
        "phase": operation.phase,
        "module": module,
        "where": f"in {module}",
        "born": cause.born,
        "cause": cause.cause,
        "mend": cause.mend,
        "inputs": ranges_told(operation.inputs),
        "path": [],
        "samples": [],
        "exact": True,
    }


def _wrong(node: Any) -> tuple[Operation, Cause] | None:
    """What is wrong with what an operation was given or gave, as far as it keeps these."""
    name = node.name().rstrip("0123456789").removesuffix("Backward").lower()
    given = _range(node, "other") if name == "div" else _range(node, "self")
    gave = _range(node, "result")
    numbers = [v for v in (getattr(node, "_saved_exponent", None),) if isinstance(v, int | float)]
    inputs = [given] if given is not None else []
    output = gave or given
    if output is None:
        return None
    operation = Operation(name, "forward", "", "", "", inputs, output, numbers)
    cause = _cause(operation, gave)
    return (operation, cause) if cause is not None else None


def _cause(operation: Operation, gave: Range | None) -> Cause | None:
    if operation.inputs and operation.inputs[0].finite:
        rule = VALUES.get(operation.name)
        found = rule(operation) if rule is not None else None
        return found or divided(operation)
    if gave is None or gave.finite or operation.inputs:
        return None
    if operation.name == "exp" and gave.infinities:
        return Cause("operation", "exp of more than it can hold", OVERFLOW)
    if operation.name == "sqrt" and gave.nans:
        return Cause("operation", "the square root of a negative number", INSIDE)
    return None


def _range(node: Any, name: str) -> Range | None:
    kept = saved(node, name)
    return range_of(kept) if kept is not None else None


def saved(node: Any, name: str) -> torch.Tensor | None:
    """A tensor of real numbers that an operation keeps for its backward pass."""
    try:
        found = getattr(node, f"_saved_{name}", None)
    except RuntimeError:
        return None  # Freed: a backward pass has been through here already.
    if not isinstance(found, torch.Tensor) or not found.is_floating_point():
        return None
    return found.detach()
