"""What the inspection looks at: some samples of each split, the first batches, copies of the model.

Nothing of the training's own is changed: the model and the loss are looked at in copies.
"""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from bisector.train.batches import Batch
from bisector.train.facts.samples import KEPT, Samples, drawn, of_batches
from bisector.train.facts.shown import Absent, Shown, Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an inspection may look at."""

    max_samples: int = 2000
    """Samples of each split, and samples in the batches that are drawn."""
    seconds: float = 60.0


class Scene:
    """What all families are measured on, each part read when it is first asked for.

    Whatever was not shown, or cannot be read, raises `Absent` with the reason.
    """

    def __init__(self, shown: Shown, device: torch.device, bounds: Bounds) -> None:
        self.shown = shown
        self.device = device
        self.bounds = bounds
        self.deadline = time.monotonic() + bounds.seconds / 2
        """Half the seconds may go into reading samples."""

    def model(self, *, training: bool) -> nn.Module:
        """A copy of the untrained model."""
        return copy.deepcopy(self.shown.model).train(training)

    def loss(self) -> nn.Module:
        """A copy of the loss."""
        return copy.deepcopy(given(self.shown.loss, "loss"))

    @property
    def optimizer(self) -> Optimizer:
        """The training's own."""
        return given(self.shown.optimizer, "optimizer")

    @property
    def source(self) -> Source:
        """The training split."""
        return given(self.shown.train, "loader")

    @property
    def val_source(self) -> Source:
        """The validation split."""
        return given(self.shown.val, "val_loader")

    @cached_property
    def train(self) -> Samples:
        """Samples of the training split."""
        return self._samples(self.source)

    @cached_property
    def val(self) -> Samples:
        """Samples of the validation split."""
        return self._samples(self.val_source)

    def _samples(self, source: Source) -> Samples:
        if source.dataset is None:
            return of_batches([batch for _, batch in self._emitted(source)])
        return drawn(source, self.bounds.max_samples, self.deadline)

    @cached_property
    def emitted(self) -> tuple[tuple[list[int], Batch], ...]:
        """The first batches of the loader, with the numbers of their samples where known."""
        return tuple(self._emitted(self.source))

    def _emitted(self, source: Source) -> Iterator[tuple[list[int], Batch]]:
        """The batches of at most one epoch that hold `max_samples` samples, at least 2."""
        read = 0
        most = source.total or self.bounds.max_samples
        for number, batch in enumerate(source.batches()):
            read += len(batch[1][0])
            enough = read > min(most, self.bounds.max_samples) or time.monotonic() > self.deadline
            if enough and number >= 2:
                return
            yield batch

    @cached_property
    def batches(self) -> tuple[Batch, ...]:
        """The first batches as the loader emits them, before the loop's augmentations."""
        found = tuple(batch for _, batch in self.emitted)
        if not found:
            raise Absent("the loader yields no batch")
        return found

    @cached_property
    def received(self) -> tuple[Batch, ...]:
        """The same, as the network receives them."""
        return tuple(augmented(self.shown, self.batches))

    def changing(self, source: Source) -> bool:
        """Whether samples differ from one reading to the next."""
        if source.dataset is None:
            return False
        return any(
            not torch.equal(source.sample(i)[0], source.sample(i)[0]) for i in source.numbers[:KEPT]
        )

    def batch(self, number: int = 0) -> Batch:
        """A batch as the loader emits it, on the model's device."""
        x, y = self.batches[number]
        return x.to(self.device), y.to(self.device)


def given(part: T | None, name: str) -> T:
    """The part.

    Raises:
        Absent: it was not shown.
    """
    if part is None:
        raise Absent(f"run.watch was given no {name}")
    return part


def augmented(shown: Shown, batches: Sequence[Batch]) -> Iterator[Batch]:
    """The batches after the loop's augmentations, which draw from copies of their streams."""
    streams = {name: s.clone_state() for name, (_, s) in shown.augments.items()}
    for batch in batches:
        x, y = batch
        for name, (augment, _) in shown.augments.items():
            x, y = augment(x, y, streams[name])
        yield x, y
