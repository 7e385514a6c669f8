"""Some samples of a split, and what can be told from their tensors alone."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bisector.train.batches import Batch
from bisector.train.facts.shown import Absent, Source

BLOCKS = 16
"""A large data set is sampled in so many runs of neighbours, so that offsets can be seen."""
KEPT = 8
"""How many sample numbers are named as examples."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a split: `x` [N, ...], `y` [N, ...], and their numbers in the data set."""

    numbers: tuple[int, ...]
    x: torch.Tensor
    y: torch.Tensor
    total: int
    """Samples in the whole split; 0: it does not say."""

    @property
    def labels(self) -> torch.Tensor | None:
        """One class number per sample [N]; None: the targets are something else."""
        return class_numbers(self.y)

    def named(self, mask: torch.Tensor) -> list[int]:
        """The numbers of the first samples for which `mask` [N] holds."""
        return [self.numbers[i] for i in mask.nonzero().flatten()[:KEPT].tolist()]


def chosen(total: int, limit: int) -> Sequence[int]:
    """Which samples to look at: all, or `BLOCKS` runs of neighbours spread evenly."""
    if total <= limit:
        return range(total)
    length = max(1, limit // BLOCKS)
    starts = [round(k * (total - length) / (BLOCKS - 1)) for k in range(BLOCKS)]
    return sorted({s + i for s in starts for i in range(length)})


def drawn(source: Source, limit: int, deadline: float) -> Samples:
    """Samples of a split, in its own order, read one by one.

    Raises:
        Absent: their shapes differ.
    """
    total = source.total
    numbers, xs, ys = [], [], []
    wanted = [source.numbers[place] for place in chosen(total, limit)]
    # Slow data sets are cut short: then what was read must be spread over the whole.
    for number in random.Random(0).sample(wanted, len(wanted)):
        x, y = source.sample(number)
        numbers.append(number)
        xs.append(x)
        ys.append(y)
        if time.monotonic() > deadline and len(numbers) >= KEPT:
            break
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    return Samples(
        tuple(numbers[i] for i in order),
        stacked([xs[i] for i in order]),
        stacked([ys[i] for i in order]),
        total,
    )


def of_batches(batches: Sequence[Batch]) -> Samples:
    """The samples that stand in some batches, numbered as they come.

    Raises:
        Absent: their shapes differ.
    """
    xs, ys = zip(*batches, strict=True)
    x, y = (stacked([row for part in parts for row in part]) for parts in (xs, ys))
    return Samples(tuple(range(len(x))), x, y, 0)


def stacked(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The tensors as one.

    Raises:
        Absent: their shapes differ, or there are none.
    """
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) != 1:
        raise Absent(f"samples have {len(shapes)} different shapes" if shapes else "it is empty")
    return torch.stack(list(tensors))


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
