"""An exponential moving average of a model's weights, evaluated in the model's place."""

import copy
from typing import Any

import torch
from torch import nn


class Ema:
    """A shadow of `model` whose weights follow the trained ones slowly.

    The decay at update n is min(`decay`, (1 + n) / (10 + n)), as in TensorFlow's
    ExponentialMovingAverage, so that the first steps do not leave the shadow behind.
    `buffers` says whether buffers (batch norm's running statistics) are taken over too.
    """

    def __init__(self, model: nn.Module, decay: float, *, buffers: bool = True) -> None:
        self.model = copy.deepcopy(model).requires_grad_(requires_grad=False)
        self.decay = decay
        self.buffers = buffers
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the shadow towards `model`; call once per optimizer step."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        for shadow, parameter in zip(self.model.parameters(), model.parameters(), strict=True):
            shadow.lerp_(parameter, weight)
        if self.buffers:
            for kept, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
                kept.copy_(buffer)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.updates = state["updates"]
