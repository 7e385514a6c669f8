"""Faults by which the outputs do not hear of a sample, or of more than it; and an optimizer that goes nowhere."""

import dataclasses
from collections.abc import Callable

import torch
from check_gallery import Recurrent
from model_faults import Change, after, inserted, loss
from optimiser_faults import stepping
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.parts import Parts


def remembering(share: float) -> Change:
    """Some of the last pass's outputs is in this one's."""
    held: list[Tensor] = []

    def line(out: Tensor) -> Tensor:
        last = held[-1] if held and held[-1].shape == out.shape else torch.zeros_like(out)
        held[:] = [out.detach()]
        return out + share * last

    return after(line)


class Dropping(nn.Module):
    """Nearly every sample loses what a layer gives."""

    def __init__(self, kept: float) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, h: Tensor) -> Tensor:
        if not self.training:
            return h
        return h * (torch.rand(len(h), *[1] * (h.ndim - 1)) < self.kept)


class OneByOne(nn.Module):
    """A recurrent net without gates goes through all numbers of a sample; its last state decides."""

    def __init__(self, scale: float, classes: int) -> None:
        super().__init__()
        self.cells, self.head = nn.RNN(1, 32, batch_first=True), nn.Linear(32, classes)
        with torch.no_grad():
            self.cells.weight_hh_l0.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x.flatten(1)[:, :, None])[0][:, -1])


def one_by_one(scale: float, classes: int) -> Change:
    def change(parts: Parts) -> Parts:
        model = OneByOne(scale, classes)
        optimizer = torch.optim.AdamW(model.parameters())
        return dataclasses.replace(parts, model=model, optimizer=optimizer)

    return change


def gates_shut(bias: float) -> Change:
    """A GRU that keeps nothing of its state."""

    def change(parts: Parts) -> Parts:
        model = Recurrent()
        with torch.no_grad():
            model.cells.bias_ih_l0[32:64] = bias
        optimizer = torch.optim.AdamW(model.parameters())
        return dataclasses.replace(parts, model=model, optimizer=optimizer)

    return change


class Own(torch.optim.Optimizer):
    """Somebody's own gradient descent."""

    way: Callable[[Tensor], Tensor]

    def __init__(self, params) -> None:
        super().__init__(params, {"lr": 1e-3})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                p.sub_(group["lr"] * self.way(p.grad))


def going(way: Callable[[Tensor], Tensor]) -> Change:
    def change(parts: Parts) -> Parts:
        return stepping(type("Own", (Own,), {"way": staticmethod(way)}))(parts)

    return change


def narrow(width: int) -> Change:
    """The last layer is given what has gone through so many units."""

    def change(parts: Parts) -> Parts:
        head = parts.model.head
        parts.model.head = nn.Sequential(
            nn.Linear(head.in_features, width), nn.ReLU(), nn.Linear(width, head.out_features)
        )
        return dataclasses.replace(parts, optimizer=torch.optim.AdamW(parts.model.parameters()))

    return change


def softened(smoothing: float) -> Change:
    """Smoothed by hand: a part of the loss is the mean over all classes."""

    def smoothed(out: Tensor, y: Tensor) -> Tensor:
        logs = out.flatten(0, -2).log_softmax(-1)
        right = F.nll_loss(logs, y.flatten())
        return (1 - smoothing) * right - smoothing * logs.mean()

    return loss(smoothed)


class Blind(nn.Module):
    """Noise of the input's shape is laid over so much of what was to be read."""

    def __init__(self, inner: nn.Module, width: float) -> None:
        super().__init__()
        self.inner, self.width = inner, width

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.width * torch.randn(x.shape))


def blind(width: float) -> Change:
    return lambda parts: dataclasses.replace(parts, model=Blind(parts.model, width))


class Summed(nn.Module):
    """Of a sample its mean is left, in each of its places."""

    def __init__(self, inner: nn.Module, width: float) -> None:
        super().__init__()
        self.inner, self.width = inner, width

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(1).view(-1, *[1] * (x.ndim - 1))
        return self.inner(self.width * mean.expand_as(x))


def summed(width: float) -> Change:
    return lambda parts: dataclasses.replace(parts, model=Summed(parts.model, width))


def sharpened(factor: float) -> Change:
    """Queries and keys are drawn too wide."""

    def change(parts: Parts) -> Parts:
        with torch.no_grad():
            parts.model.block.self_attn.in_proj_weight[:64].mul_(factor)
        return parts

    return change


REACH_FAULTS: list[tuple[str, str, Change]] = [
    ("R22i", "image", remembering(0.5)),
    ("R22i", "table", remembering(0.2)),
    ("R30d", "image", inserted("large", Dropping(0.02))),
    ("R30d", "table", inserted("second", Dropping(0.01))),
    ("R30f", "image", softened(0.6)),
    ("R30f", "text", softened(0.9)),
    ("R30f", "words", softened(0.5)),
    ("R02b", "image", blind(1.0)),
    ("R02b", "table", blind(0.5)),
    ("R02c", "image", summed(1.0)),
    ("R02c", "table", summed(3.0)),
    ("R28e", "text", sharpened(20.0)),
    ("R28e", "text", sharpened(60.0)),
    ("R35g", "series", gates_shut(-6.0)),
    ("R35g", "image", one_by_one(0.2, 10)),
    ("R35g", "table", one_by_one(0.1, 2)),
    ("R24b", "text", narrow(2)),
    ("R24b", "image", narrow(1)),
    ("R34b", "image", going(torch.neg)),
    ("R34b", "table", going(lambda g: -g.sign())),
    ("R34b", "words", going(lambda g: torch.randn(g.shape, generator=torch.Generator().manual_seed(0)))),
]  # fmt: skip
"""The check that must be first, the kind of data, and the change that is the fault."""
