"""Batches of samples, in an order that depends on the seed and nothing else.

The training set is an endless stream of batches, so that a run which goes on from a
checkpoint needs to know one number, and loader workers are started once, not per epoch.
"""

from collections.abc import Iterator, Sized
from itertools import count
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from bisector.train.seeding import generator, seed_loader_worker

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs and targets; the first dimension of both counts samples."""


class Shuffled(Sampler[list[int]]):
    """Indices of the samples of each batch, from batch `start` on, for ever.

    Every epoch is a fresh permutation of all samples, or, without `shuffle`, their stored
    order; a last batch that would be smaller than the others is left out.
    """

    def __init__(
        self, samples: int, batch_size: int, seed: int, start: int = 0, *, shuffle: bool = True
    ) -> None:
        self.samples = samples
        self.batch_size = min(batch_size, samples)
        self.seed = seed
        self.start = start
        self.shuffle = shuffle

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch, at least 1."""
        return self.samples // self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        first, skipped = divmod(self.start, self.per_epoch)
        for epoch in count(first):
            order = self.epoch(epoch)
            batches = order[: self.per_epoch * self.batch_size].view(-1, self.batch_size)
            yield from batches[skipped if epoch == first else 0 :].tolist()

    def epoch(self, number: int) -> torch.Tensor:
        """The order of all samples in an epoch."""
        if not self.shuffle:
            return torch.arange(self.samples)
        return torch.randperm(self.samples, generator=generator(self.seed, "order", number))


def training_batches(dataset: Dataset[Any], order: Shuffled, *, workers: int) -> Iterator[Batch]:
    """The endless stream of training batches, loaded by `workers` processes (0: this one)."""
    yield from DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=workers,
        generator=generator(order.seed, "workers"),
        worker_init_fn=seed_loader_worker,
        pin_memory=torch.cuda.is_available(),
    )


def samples_in(dataset: Dataset[Any]) -> int:
    """How many samples a dataset holds; 0 if it does not know."""
    return len(dataset) if isinstance(dataset, Sized) else 0


def evaluation_batches(dataset: Dataset[Any], batch_size: int) -> DataLoader[Batch]:
    """All samples once, in order, without touching the global generator."""
    return DataLoader(
        dataset,
        batch_size=batch_size,
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),
    )
