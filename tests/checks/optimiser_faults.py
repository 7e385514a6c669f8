"""Faults of an optimizer, one at a time: what it was given, and how far it steps."""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bisector.train.parts import Parts

Change = Callable[[Parts], Parts]


def stepping(kind: Any, **settings: Any) -> Change:
    """Another optimizer."""
    return lambda parts: dataclasses.replace(
        parts, optimizer=kind(parts.model.parameters(), **settings)
    )


def not_handed(kept: str) -> Change:
    def change(parts: Parts) -> Parts:
        some = [p for n, p in parts.model.named_parameters() if kept in n]
        return dataclasses.replace(parts, optimizer=torch.optim.SGD(some, lr=0.1))

    return change


def replaced(parts: Parts) -> Parts:
    other = nn.Linear(3, 3)
    return dataclasses.replace(parts, optimizer=torch.optim.Adam(other.parameters()))


def rate(value: float) -> Change:
    def change(parts: Parts) -> Parts:
        for group in parts.optimizer.param_groups:
            group["lr"] = value
        return parts

    return change


def in_half_precision(parts: Parts) -> Parts:
    """Weights of which one part in 256 is the smallest change, moved by one part in 10,000."""
    for p in parts.model.parameters():
        p.data = p.data.bfloat16()
    optimizer = torch.optim.AdamW(parts.model.parameters(), lr=1e-6, weight_decay=0.0)
    return dataclasses.replace(parts, model=Half(parts.model), optimizer=optimizer)


class Half(nn.Module):
    """A model of bfloat16 that is given single precision."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x.bfloat16()).float()


SGD, AdamW = torch.optim.SGD, torch.optim.AdamW
OPTIMISER_FAULTS: list[tuple[str, str, Change]] = [
    ("R23c", "image", not_handed("head")),
    ("R23c", "table", not_handed("weight")),
    ("R36d", "table", rate(0.0)),
    ("R36d", "text", rate(5.0)),
    ("R23c", "table", replaced),
    ("R36e", "image", stepping(SGD, lr=90.0)),
    ("R36e", "table", stepping(SGD, lr=1e-12)),
    ("R36e", "words", stepping(AdamW, lr=1e-10, weight_decay=0.0)),
    ("R36e", "table", in_half_precision),
    ("R30b", "image", stepping(AdamW, lr=1e-3, weight_decay=100.0)),
    ("R30b", "table", stepping(SGD, lr=0.1, weight_decay=0.5)),
    ("R30b", "words", stepping(AdamW, lr=0.01, weight_decay=3.0)),
]
"""The check that must be first, the kind of data, and the change that is the fault."""
