"""Facts about the loss as a function: what it says of better and worse predictions.

Predictions are made up, targets are real, so that any loss can be asked, whatever its name.
"""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.facts.outputs import Listener, Meaning, class_axis, is_binary, listened
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
SATURATED = 200.0
"""A difference of scores at which a probability is zero in single precision."""
MOST_CLASSES = 50
"""Classes whose samples are tried by themselves."""
NORMALISING = ("cross_entropy", "log_softmax", "softmax")
"""Functions that take scores and make probabilities of them."""


def loss_shape(scene: Scene) -> Facts:
    """The loss at predictions from surely wrong to nearly right, and how it scales."""
    x, y = scene.batch()
    with torch.no_grad():
        out = scene.model(training=False)(x)
    loss = scene.loss()
    axis = class_axis(out, y)
    if axis is not None:
        if are_probabilities(out, axis) and not normalises(loss, out, y):
            loss = OfLogarithms(loss)
        facts = of_scores(loss, out, y, axis)
    elif out.numel() == y.numel() and is_binary(y) and listened(scene) is not Meaning.NUMBERS:
        facts = of_zeros_and_ones(loss, out, y, listened(scene))
    else:
        facts = of_numbers(loss, out, y)
    return facts | scaling(scene.loss(), out, y)


def are_probabilities(out: torch.Tensor, axis: int) -> bool:
    """Whether outputs lie between 0 and 1 and sum to 1 over the classes."""
    return bool((out >= 0).all() and ((out.sum(axis) - 1).abs() < 1e-3).all())


def normalises(loss: nn.Module, out: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether a loss makes probabilities, or asks for their logarithms, by a function of torch."""
    with torch.no_grad(), Listener() as listener:
        loss(out, y)
    return bool({c["function"] for c in listener.calls} & {*NORMALISING, "nll_loss"})


class OfLogarithms(nn.Module):
    """A loss of probabilities, given their logarithms."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The loss at the probabilities; what is no logarithm of one is cut off."""
        value: torch.Tensor = self.loss(out.exp().clamp(1e-30, 1.0), y)
        return value


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
        "indifferent": indifferent(loss, right, y, axis) if out.ndim == 2 else [],
        "pull": pull(loss, torch.full_like(right, -math.log(classes)), y),
    }


def loss_at(loss: nn.Module, p: float, right: torch.Tensor, y: torch.Tensor, axis: int) -> float:
    """The loss of log-probabilities that give the right class `p`, the rest evenly."""
    rest = math.log((1 - p) / max(1, right.shape[axis] - 1))
    with torch.no_grad():
        value = loss(torch.where(right > 0, math.log(p), rest), y).mean().item()
    return value if math.isfinite(value) else math.inf


def indifferent(loss: nn.Module, right: torch.Tensor, y: torch.Tensor, axis: int) -> list[int]:
    """The classes of the batch whose samples may be predicted well or badly at the same loss."""
    classes = right.shape[axis]
    low, high = (0.5 / classes, 0.8)
    bad = torch.where(right > 0, math.log(low), math.log((1 - low) / max(1, classes - 1)))
    good = torch.where(right > 0, math.log(high), math.log((1 - high) / max(1, classes - 1)))
    labels = y.reshape(-1)
    return unmoved(loss, bad, good, labels, y)


@torch.no_grad()
def unmoved(
    loss: nn.Module, bad: torch.Tensor, good: torch.Tensor, labels: torch.Tensor, y: torch.Tensor
) -> list[int]:
    """The labels whose rows may hold `bad` or `good` predictions at the same loss."""
    falls = {}
    worst = loss(bad, y).mean().item()
    for label in sorted(set(labels.tolist()))[:MOST_CLASSES]:
        rows = labels == label
        mixed = bad.clone()
        mixed[rows] = good[rows]
        falls[int(label)] = (worst - loss(mixed, y).mean().item()) / rows.sum().item()
    most = max(falls.values(), default=0.0)
    # Where it heeds none, its fault is another one.
    if not most * len(labels) > 1e-6 * abs(worst):
        return []
    return [label for label, fall in falls.items() if not fall > HEEDED * most]


HEEDED = 2e-3
"""Of what a sample of the class that counts most makes the loss fall by: less is as good as nothing."""


def pull(loss: nn.Module, out: torch.Tensor, y: torch.Tensor) -> float:
    """How strongly an undecided output is moved: the gradient's root mean square, times outputs."""
    given = out.clone().requires_grad_()
    value = loss(given, y).mean()
    gradient = slope_of(value, given)
    return gradient.square().mean().sqrt().item() * len(out)


def slope_of(value: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """The gradient of a value; zero where it has none."""
    if value.requires_grad:
        torch.autograd.backward(value)
    return torch.zeros_like(given) if given.grad is None else given.grad


def of_zeros_and_ones(
    loss: nn.Module, out: torch.Tensor, y: torch.Tensor, meaning: Meaning
) -> Facts:
    """The loss as the probability of the right answer rises, one output for each target."""
    ladder = [0.05, 0.5, 0.65, 0.8]
    sign = (2 * y.reshape(out.shape) - 1).to(out)

    def at(p: float) -> torch.Tensor:
        if meaning is Meaning.SCORES:
            return sign * math.log(p / (1 - p))
        return torch.where(sign > 0, p, 1 - p)

    with torch.no_grad():
        losses = [loss(at(p), y).mean().item() for p in ladder]
    rows = y.flatten() if y.numel() == len(y) else None
    return {
        "kind": "scores",
        "classes": 2,
        "probabilities": ladder,
        "losses": [v if math.isfinite(v) else math.inf for v in losses],
        "saturated": saturated(loss, sign, y) if meaning is Meaning.SCORES else [],
        "indifferent": [] if rows is None else unmoved(loss, at(0.25), at(0.8), rows, y),
        "pull": pull(loss, at(0.5), y),
    }


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

    From both sides at once, from above and from below; the highest of the three at each rung.

    Raises:
        Absent: the loss is neither of class scores nor of numbers.
    """
    if not y.is_floating_point() or out.numel() != y.numel():
        raise Absent(f"outputs {list(out.shape)} and targets {list(y.shape)} are neither")
    unit = y.std().clamp_min(1e-6)
    distances = [2.0, 1.0, 0.5, 0.0]
    both = torch.where(torch.arange(y.numel(), device=y.device) % 2 == 0, 1.0, -1.0).view(y.shape)
    with torch.no_grad():
        ladders = [
            [loss((y + d * unit * side).reshape(out.shape), y).mean().item() for d in distances]
            for side in (both, torch.ones_like(both), -torch.ones_like(both))
        ]
    # The side on which the loss falls least.
    losses = min(ladders, key=lambda ladder: ladder[0] - ladder[-1])
    return {
        "kind": "numbers",
        "distances": distances,
        "losses": losses,
        "saturated": [],
        "indifferent": [],
        "pull": pull(loss, (y + unit).reshape(out.shape), y) / max(unit.item(), 1e-9),
    }


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
