"""Facts about how wide the initial weights are, beside what their number of inputs asks for."""

import math
from statistics import median
from typing import Any

import torch
from torch import nn

from bisector.train.facts.samples import KEPT
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

LOOKED_UP = (nn.Embedding, nn.EmbeddingBag)
"""Tables, of which a sample takes rows and no sum over all inputs."""

RECURRENT = (nn.RNNBase, nn.RNNCellBase)
"""What multiplies its own outputs, through gates that saturate."""


def gains(scene: Scene) -> dict[str, Any]:
    """By weight matrix its deviation times the root of its inputs: 1 keeps a signal's size.

    Kaiming's initialisation for ReLU gives 1.4, torch's default 0.6.
    """
    found = {
        f"{path}.{name}" if path else name: gain_of(p.detach())
        for path, module in scene.shown.model.named_modules()
        if not isinstance(module, LOOKED_UP)
        for name, p in module.named_parameters(recurse=False)
        if p.ndim > 1 and p.is_floating_point() and p.numel() > 1 and p.any()
    }
    if not found:
        raise Absent("it has no weight matrices but tables and zeros")
    recurrent = tuple(n for n, m in scene.shown.model.named_modules() if isinstance(m, RECURRENT))
    return {
        "recurrent": max(
            (g for n, g in found.items() if n.rpartition(".")[0] in recurrent), default=0.0
        ),
        "matrices": list(found)[:KEPT],
        "gain": list(found.values())[:KEPT],
        "middle": median(found.values()),
    }


def gain_of(weight: torch.Tensor) -> float:
    """Its deviation times the root of the number of inputs of a unit."""
    return weight.float().std().item() * math.sqrt(weight[0].numel())
