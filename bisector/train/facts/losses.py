"""Facts about the loss as a function: what it says of better and worse predictions.

Predictions are made up, targets are real, so that any loss can be asked, whatever its name.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.facts.outputs import class_axis
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
SATURATED = 200.0
"""A difference of scores at which a probability is zero in single precision."""


def loss_shape(scene: Scene) -> Facts:
    """The loss at predictions from surely wrong to nearly right, and how it scales."""
    x, y = scene.batch()
    with torch.no_grad():
        out = scene.model(training=False)(x)
    loss = scene.loss()
    axis = class_axis(out, y)
    facts = of_scores(loss, out, y, axis) if axis is not None else of_numbers(loss, out, y)
    return facts | scaling(loss, out, y)


def of_scores(loss: nn.Module, out: torch.Tensor, y: torch.Tensor, axis: int) -> Facts:
    """The loss as the probability of the right class rises, all others being equal."""
    classes = out.shape[axis]
    right = F.one_hot(y.reshape(-1), classes).to(out)
    if axis == 2 or out.ndim == 2:
        right = right.view(out.shape)
    else:
        right = right.view(out.shape[0], out.shape[2], classes).transpose(1, 2)
    ladder = [0.1 / classes, 1 / classes, 0.5 * (1 + 1 / classes), 0.8]
    ladder = sorted({p for p in ladder if p <= 0.8})
    losses = [loss_at(loss, p, right, y, axis) for p in ladder]
    return {
        "kind": "scores",
        "classes": classes,
        "probabilities": ladder,
        "losses": losses,
        "saturated": saturated(loss, right, y),
    }


def loss_at(loss: nn.Module, p: float, right: torch.Tensor, y: torch.Tensor, axis: int) -> float:
    """The loss of log-probabilities that give the right class `p`, the rest evenly."""
    rest = math.log((1 - p) / max(1, right.shape[axis] - 1))
    with torch.no_grad():
        value = loss(torch.where(right > 0, math.log(p), rest), y).mean().item()
    return value if math.isfinite(value) else math.inf


def saturated(loss: nn.Module, right: torch.Tensor, y: torch.Tensor) -> list[str]:
    """At which saturated scores the loss or its gradient is not finite."""
    sick = []
    for words, sign in (("surely right", 1.0), ("surely wrong", -1.0)):
        scores = (sign * SATURATED * right).requires_grad_()
        value = loss(scores, y).mean()
        (gradient,) = torch.autograd.grad(value, scores)
        if not value.isfinite():
            sick.append(f"loss when {words}")
        elif not gradient.isfinite().all():
            sick.append(f"gradient when {words}")
    return sick


def of_numbers(loss: nn.Module, out: torch.Tensor, y: torch.Tensor) -> Facts:
    """The loss as predictions come nearer to the target, in deviations of the targets.

    Raises:
        Absent: the loss is neither of class scores nor of numbers.
    """
    if not y.is_floating_point() or out.numel() != y.numel() or bool(((y == 0) | (y == 1)).all()):
        raise Absent(f"outputs {list(out.shape)} and targets {list(y.shape)} are neither")
    unit = y.std().clamp_min(1e-6)
    distances = [2.0, 1.0, 0.5, 0.0]
    side = torch.where(torch.arange(y.numel(), device=y.device) % 2 == 0, 1.0, -1.0).view(y.shape)
    with torch.no_grad():
        losses = [
            loss((y + d * unit * side).reshape(out.shape), y).mean().item() for d in distances
        ]
    return {"kind": "numbers", "distances": distances, "losses": losses, "saturated": []}


@torch.no_grad()
def scaling(loss: nn.Module, out: torch.Tensor, y: torch.Tensor) -> Facts:
    """Whether the loss depends on the batch's size or order."""
    if out.shape[0] != y.shape[0]:
        return {"double_ratio": 1.0, "order_change": 0.0}
    once = loss(out, y).mean().item()
    twice = loss(torch.cat([out, out]), torch.cat([y, y])).mean().item()
    turned = loss(out.flip(0), y.flip(0)).mean().item()
    size = max(abs(once), 1e-9)
    return {"double_ratio": twice / (once or 1e-9), "order_change": abs(turned - once) / size}
