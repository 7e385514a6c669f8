"""Small standard models, one for each kind of data: what trains where the recipe's own does not."""

from math import prod

import torch
from torch import nn
from torch.utils.data import Dataset

from bisector.train.alter import inputs, unfit

IMAGE = 4
"""Dimensions of a batch of images: samples, channels, height, width."""


def reference_for(model: nn.Module, dataset: "Dataset[object]") -> nn.Module:
    """A model that takes what `model` takes and gives outputs of the same shape.

    A perceptron for features, a small convolutional network for images, a recurrent one for tokens.
    """
    x = inputs(dataset)
    shape = outputs_of(model, x[:2])
    if not x.is_floating_point():
        return Recurrent(int(x.max()) + 1, shape, steps=x.shape[-1])
    if x.ndim == IMAGE:
        return nn.Sequential(*convolutions(x.shape[1]), *head(32 * 16, shape))
    return nn.Sequential(nn.Flatten(), *head(prod(x.shape[1:]), shape))


def outputs_of(model: nn.Module, x: torch.Tensor) -> tuple[int, ...]:
    """The shape of one sample's output."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    mode = model.training
    with torch.no_grad():
        out = model.eval()(x.to(device))
    model.train(mode)
    if not isinstance(out, torch.Tensor):
        unfit("the model gives something else than one tensor")
    return tuple(out.shape[1:])


def convolutions(channels: int) -> list[nn.Module]:
    """Two layers, then 4 x 4 places of 32 features."""
    return [
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
    ]


def head(features: int, shape: tuple[int, ...]) -> list[nn.Module]:
    """One hidden layer, and outputs of a shape."""
    out = [nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, prod(shape))]
    return [*out, nn.Unflatten(1, shape)] if len(shape) != 1 else list(out)


class Recurrent(nn.Module):
    """A gated recurrent network over tokens: one output a step, or one at the end."""

    def __init__(self, tokens: int, shape: tuple[int, ...], *, steps: int) -> None:
        super().__init__()
        self.each = len(shape) > 1 and shape[0] == steps
        self.shape = shape[1:] if self.each else shape
        # Tokens that were not among the samples looked at still need a place.
        self.embed = nn.Embedding(max(tokens, shape[-1] if shape else 1), 64)
        self.recur = nn.GRU(64, 128, batch_first=True)
        self.out = nn.Linear(128, prod(self.shape))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        states, _ = self.recur(self.embed(tokens))
        read: torch.Tensor = self.out(states if self.each else states[:, -1])
        return read.reshape(*read.shape[:-1], *self.shape)
