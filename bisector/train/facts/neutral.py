"""Facts about a loss at the setting at which it claims to be the standard one."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.facts.outputs import Meaning, class_axis, is_binary, listened
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
SETTINGS = ("gamma", "focusing", "label_smoothing", "smoothing")
"""Settings that, at 0, leave the standard loss: focal losses and label smoothing."""
WEIGHTS = ("alpha", "weight", "pos_weight", "class_weights")
"""Settings that weigh samples, after which no comparison with the standard is fair."""
DRAWS = 5
"""Made-up batches that are compared."""
Standard = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@torch.no_grad()
def neutral(scene: Scene) -> Facts:
    """The loss at its neutral setting over the standard loss, on made-up predictions.

    Raises:
        Absent: it has no such setting, or no standard to compare with.
    """
    loss = scene.loss()
    if any(True for _ in loss.children()):
        raise Absent("the loss is made of several terms")
    values = {name: getattr(loss, name, None) for name in SETTINGS}
    found = [name for name, value in values.items() if isinstance(value, int | float) and value]
    if not found:
        raise Absent(f"the loss sets none of {', '.join(SETTINGS)}")
    if any(weighs(getattr(loss, name, None)) for name in WEIGHTS):
        raise Absent("the loss weighs classes")
    x, y = scene.batch()
    out = scene.model(training=False)(x)
    name, standard = standard_for(scene, out, y)
    at_zero = set_to_zero(loss, found)
    rng = torch.Generator().manual_seed(0)
    draws = [2 * torch.randn(out.shape, generator=rng).to(out) for _ in range(DRAWS)]
    ratios = [(at_zero(draw, y).mean() / standard(draw, y)).item() for draw in draws]
    middle = sum(ratios) / DRAWS
    return {
        "settings": found,
        "standard": name,
        "ratios": ratios,
        "spread": (max(ratios) - min(ratios)) / max(abs(middle), 1e-9),
    }


def set_to_zero(loss: nn.Module, settings: list[str]) -> nn.Module:
    """A copy of the loss with these settings at 0."""
    found = copy.deepcopy(loss)
    for setting in settings:
        setattr(found, setting, type(getattr(loss, setting))(0))
    return found


def weighs(value: object) -> bool:
    """Whether a setting gives samples different weights."""
    if isinstance(value, torch.Tensor):
        return bool((value != value.flatten()[0]).any())
    return value is not None and value not in (1, 1.0)


def standard_for(scene: Scene, out: torch.Tensor, y: torch.Tensor) -> tuple[str, Standard]:
    """The standard loss of these outputs and targets, and its name."""
    axis = class_axis(out, y)
    if axis is not None:
        moved = axis == 2
        return "cross-entropy", lambda o, t: F.cross_entropy(o.transpose(1, 2) if moved else o, t)
    if out.shape == y.shape and is_binary(y) and listened(scene) is Meaning.SCORES:
        return (
            "binary cross-entropy with logits",
            lambda o, t: F.binary_cross_entropy_with_logits(o, t.to(o)),
        )
    raise Absent("no standard loss to compare with")
