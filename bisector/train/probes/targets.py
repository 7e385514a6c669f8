"""A few of the targets that a loss is given, so that two runs of one order of samples can be compared."""

import torch

from bisector.train.probes.heads import nodes_of

Targets = list[torch.Tensor] | list[float]
MOST = 16
"""Targets of a batch that are looked at."""
NEAR = 40
"""Operations from the loss backwards among which torch's own losses are looked for."""


def of_call(args: tuple[object, ...]) -> Targets:
    """Of a call of a loss with outputs and targets; empty: it is called with something else."""
    if len(args) < 2 or not isinstance(args[1], torch.Tensor) or args[1].requires_grad:
        return []
    return few(args[1])


def of_graph(root: torch.Tensor) -> Targets:
    """Of the first of torch's own losses that keeps its targets for the way back; empty: there is none."""
    for node in nodes_of(root.grad_fn, NEAR):
        if hasattr(node, "_saved_target"):
            return few(node._saved_target)
    return []


def few(targets: torch.Tensor) -> Targets:
    """The first of a batch; of rows with a number for each class, which is the largest."""
    with torch._C.DisableTorchFunction():
        y = targets.detach()
        if y.ndim == 2 and y.shape[1] > 1 and y.is_floating_point():
            y = y[:MOST].argmax(1)
        y = y.flatten()[:MOST].float()
        # What is on the host is read at once; else nothing may wait for the device.
        return y.tolist() if y.is_cpu else list(y.unbind())
