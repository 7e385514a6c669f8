"""What the inspection looks at: some samples of each split, the first batches, copies of the model.

Nothing of the training's own is changed: the model and the loss are looked at in copies.
"""

import copy
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from bisector.train.batches import Batch, training_batches
from bisector.train.parts import Parts

BLOCKS = 16
"""A large data set is sampled in so many runs of neighbours, so that offsets can be seen."""
KEPT = 8
"""How many sample numbers are named as examples."""


class Absent(Exception):  # noqa: N818 - no error: the facts are not to be had here
    """A family of facts cannot be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an inspection may look at."""

    max_samples: int = 2000
    """Samples of each split, and samples in the batches that are drawn."""
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a split: `x` [N, ...], `y` [N, ...], and their numbers in the data set."""

    numbers: tuple[int, ...]
    x: torch.Tensor
    y: torch.Tensor
    total: int
    """Samples in the whole split."""

    @property
    def labels(self) -> torch.Tensor | None:
        """One class number per sample [N]; None: the targets are something else."""
        return class_numbers(self.y)

    def named(self, mask: torch.Tensor) -> list[int]:
        """The numbers of the first samples for which `mask` [N] holds."""
        return [self.numbers[i] for i in mask.nonzero().flatten()[:KEPT].tolist()]


@dataclass(frozen=True, slots=True)
class Scene:
    """What all families are measured on."""

    parts: Parts
    device: torch.device
    train: Samples
    val: Samples
    batches: tuple[Batch, ...]
    """The first that the loader emits, before the loop's augmentations."""
    received: tuple[Batch, ...]
    """The same, as the network receives them."""

    def model(self, *, training: bool) -> nn.Module:
        """A copy of the untrained model."""
        return copy.deepcopy(self.parts.model).train(training)

    def loss(self) -> nn.Module:
        """A copy of the loss."""
        return copy.deepcopy(self.parts.loss)

    def batch(self, number: int = 0) -> Batch:
        """A batch as the loader emits it, on the model's device."""
        x, y = self.batches[number]
        return x.to(self.device), y.to(self.device)


def set_scene(parts: Parts, device: torch.device, bounds: Bounds) -> Scene:
    """Draw samples and batches; half the seconds may go into reading samples."""
    deadline = time.monotonic() + bounds.seconds / 2
    batches = tuple(first_batches(parts, bounds.max_samples, deadline))
    return Scene(
        parts=parts,
        device=device,
        train=drawn(parts.data.train, bounds.max_samples, deadline),
        val=drawn(parts.data.val, bounds.max_samples, deadline),
        batches=batches,
        received=tuple(augmented(parts, batches)),
    )


def chosen(total: int, limit: int) -> Sequence[int]:
    """Which samples to look at: all, or `BLOCKS` runs of neighbours spread evenly."""
    if total <= limit:
        return range(total)
    length = max(1, limit // BLOCKS)
    starts = [round(k * (total - length) / (BLOCKS - 1)) for k in range(BLOCKS)]
    return sorted({s + i for s in starts for i in range(length)})


def drawn(dataset: Dataset[Any], limit: int, deadline: float) -> Samples:
    """Samples of a data set, in its own order, read one by one.

    Raises:
        Absent: their shapes differ.
    """
    total = len(dataset)  # type: ignore[arg-type]
    numbers, xs, ys = [], [], []
    wanted = list(chosen(total, limit))
    # Slow data sets are cut short: then what was read must be spread over the whole.
    for number in random.Random(0).sample(wanted, len(wanted)):
        x, y = dataset[number]
        numbers.append(number)
        xs.append(torch.as_tensor(x).clone())
        ys.append(torch.as_tensor(y).clone())
        if time.monotonic() > deadline and len(numbers) >= KEPT:
            break
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    return Samples(
        tuple(numbers[i] for i in order),
        stacked([xs[i] for i in order]),
        stacked([ys[i] for i in order]),
        total,
    )


def stacked(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The tensors as one.

    Raises:
        Absent: their shapes differ.
    """
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) > 1:
        raise Absent(f"samples have {len(shapes)} different shapes")
    return torch.stack(list(tensors))


def first_batches(parts: Parts, limit: int, deadline: float) -> Iterator[Batch]:
    """The batches of at most one epoch that hold `limit` samples, at least 2."""
    order = copy.copy(parts.order)
    order.start = 0
    count = max(2, min(order.per_epoch, limit // order.batch_size))
    for batch in islice(training_batches(parts.data.train, order, workers=0), count):
        yield batch
        if time.monotonic() > deadline:
            return


def augmented(parts: Parts, batches: Sequence[Batch]) -> Iterator[Batch]:
    """The batches after the loop's augmentations, which draw from copies of their streams."""
    streams = {name: s.clone_state() for name, (_, s) in parts.augments.items()}
    for batch in batches:
        x, y = batch
        for name, (augment, _) in parts.augments.items():
            x, y = augment(x, y, streams[name])
        yield x, y


def class_numbers(y: torch.Tensor) -> torch.Tensor | None:
    """Targets as class numbers [N]: as they are, from one-hot rows, or from zeros and ones."""
    if not y.is_floating_point():
        return y.long() if y.ndim == 1 else None
    if y.ndim > 2 or not bool(((y == 0) | (y == 1)).all()):
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(1) if bool((y.sum(1) == 1).all()) else None
    return y.flatten().long()


def features(x: torch.Tensor) -> torch.Tensor:
    """The values of each feature as columns [values, F].

    The columns of a table, the channels of images and of series; where it cannot be told which
    axis of a series counts channels, the shorter one is taken.
    """
    if x.ndim == 1:
        return x.view(-1, 1).float()
    if x.ndim == 2:
        return x.float()
    axis = 1 if x.ndim > 3 or x.shape[1] <= x.shape[2] else 2
    return x.transpose(axis, -1).reshape(-1, x.shape[axis]).float()


def is_numbers(x: torch.Tensor) -> bool:
    """Whether inputs are measurements or pixels; integers that are not bytes are token numbers."""
    return x.is_floating_point() or x.dtype is torch.uint8


def digests(*tensors: torch.Tensor) -> list[bytes]:
    """One key per sample; equal keys mean equal content."""
    parts = [t.contiguous().view(len(t), -1).cpu().numpy() for t in tensors]
    return [b"".join(p[i].tobytes() for p in parts) for i in range(len(tensors[0]))]
