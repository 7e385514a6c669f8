"""What a training shows of itself to be looked at: its model, loss and optimizer, and its splits.

A recipe shows everything; a function shows what it gives to `run.watch`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from bisector.train.alter import Augment
from bisector.train.batches import Batch, samples_in
from bisector.train.parts import Parts
from bisector.train.seeding import seed_loader_worker

COUNTED = 200_000
"""Samples of a data set up to which it is counted which of them an epoch takes."""


class Absent(Exception):  # noqa: N818 - no error: the facts are not to be had here
    """A family of facts cannot be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that load a split."""

    number: int = 0
    begin: Callable[[int], None] | None = None
    """What each of them calls first, with its number."""
    lasting: bool = False
    """Whether they go on from epoch to epoch."""


@dataclass(frozen=True, slots=True)
class Source:
    """One split: samples by number and the order in which they are taken, or batches only."""

    dataset: Dataset[Any] | None = None
    """None: there are no samples by number, only `loader`."""
    order: Iterable[list[int]] = ()
    """The numbers of the samples of each batch, which may go on for ever."""
    collate: Callable[[list[Any]], Any] = default_collate
    loader: Iterable[Any] = ()
    workers: Workers = Workers()
    part: tuple[int, ...] = ()
    """The only samples that the order ever takes, where two splits are of one data set; else all."""

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the samples in the split."""
        return self.part or range(samples_in(self.dataset) if self.dataset is not None else 0)

    @property
    def total(self) -> int:
        """Samples in the split; 0: it does not say."""
        return len(self.numbers)

    def sample(self, number: int) -> Batch:
        """A sample as its row in a batch would be: input and target."""
        assert self.dataset is not None
        x, y = pair(self.collate([self.dataset[number]]))
        return x[0].clone(), y[0].clone()

    def batches(self) -> Iterator[tuple[list[int], Batch]]:
        """Batch by batch, with the numbers of its samples; none of these where not known."""
        if self.dataset is None:
            yield from (([], pair(batch)) for batch in self.loader)
            return
        taken: list[list[int]] = []
        loader = DataLoader(
            self.dataset,
            batch_sampler=noted(self.order, taken),
            collate_fn=self.collate,
            generator=torch.Generator(),
        )
        for batch in loader:
            yield taken.pop(), pair(batch)


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything that can be looked at; what is None was not shown."""

    model: nn.Module
    optimizer: Optimizer | None = None
    loss: nn.Module | None = None
    train: Source | None = None
    val: Source | None = None
    augments: Mapping[str, tuple[Augment, torch.Generator]] = field(default_factory=dict)
    """What the training itself does to a batch before the model gets it."""
    again: Callable[[], nn.Module] | None = None
    """Makes the model a second time, with other initial weights."""
    holders: tuple[object, ...] = ()
    """What else may say how inputs are to be prepared, as the object that holds the splits."""


def noted(order: Iterable[list[int]], taken: list[list[int]]) -> Iterator[list[int]]:
    """The order, each of its batches kept in `taken` as it is asked for."""
    for numbers in order:
        taken.append(list(numbers))
        yield taken[-1]


def pair(batch: Any) -> Batch:
    """Inputs and targets.

    Raises:
        Absent: a batch is something else.
    """
    if isinstance(batch, list | tuple) and len(batch) == 2:
        x, y = batch
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor) and x.ndim and y.ndim:
            return x, y
    raise Absent(f"a batch is no pair of tensors, inputs and targets, but {described(batch)}")


def described(batch: Any) -> str:
    """What a batch is, in a few words."""
    if isinstance(batch, dict):
        return f"a dict of {', '.join(map(str, batch))}"
    if isinstance(batch, list | tuple):
        return f"{len(batch)} of {', '.join(sorted({type(part).__name__ for part in batch}))}"
    return f"a {type(batch).__name__}"


def of_recipe(parts: Parts) -> Shown:
    """Everything that our own loop trains with."""
    order = parts.order
    order.start = 0
    workers = Workers(parts.settings.workers, seed_loader_worker, lasting=True)
    return Shown(
        model=parts.model,
        optimizer=parts.optimizer,
        loss=parts.loss,
        train=Source(parts.data.train, order, workers=workers),
        val=Source(parts.data.val),
        augments=parts.augments,
        again=parts.again,
        holders=(parts.data,),
    )


def of_watch(
    model: nn.Module,
    optimizer: Optimizer | None,
    loss: Callable[..., torch.Tensor] | None,
    loader: Iterable[Any] | None,
    val_loader: Iterable[Any] | None,
) -> Shown:
    """What a function gave to `run.watch`."""
    return Shown(
        model=model,
        optimizer=optimizer,
        loss=loss if isinstance(loss, nn.Module) or loss is None else Called(loss),
        train=None if loader is None else of_loader(loader),
        val=None if val_loader is None else of_loader(val_loader),
    )


def of_loader(loader: Iterable[Any]) -> Source:
    """A loader's split: by number if it is a DataLoader over a map-style data set."""
    if (
        not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or loader.batch_sampler is None
    ):
        return Source(loader=loader)
    return Source(
        dataset=loader.dataset,
        order=loader.batch_sampler,
        collate=loader.collate_fn,
        workers=Workers(loader.num_workers, loader.worker_init_fn, loader.persistent_workers),
        part=part_of(loader),
    )


def part_of(loader: DataLoader[Any]) -> tuple[int, ...]:
    """The samples that the loader's sampler takes in every epoch, if these are not all."""
    total = samples_in(loader.dataset)
    if isinstance(loader.sampler, SequentialSampler | RandomSampler):
        return ()
    first, second = epochs_of(loader.batch_sampler, total)
    return tuple(sorted(first)) if first == second and len(first) < total else ()


def epochs_of(order: Iterable[list[int]] | None, total: int) -> tuple[set[int], set[int]]:
    """The samples that two epochs take; nothing where that cannot be said.

    A sampler that is told the epoch takes others in each, which is not seen here.
    """
    told = hasattr(order, "set_epoch") or hasattr(getattr(order, "sampler", None), "set_epoch")
    if order is None or told or total > COUNTED:
        return set(), set()
    one, two = (list(itertools.islice(each_of(order), 4 * total + 1)) for _ in range(2))
    return (set(one), set(two)) if max(len(one), len(two)) <= 4 * total else (set(), set())


def each_of(order: Iterable[list[int]]) -> Iterator[int]:
    """The samples of all batches, one by one; there may be no end of them."""
    return itertools.chain.from_iterable(order)


class Called(nn.Module):
    """A plain function as a loss."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *given: Any) -> torch.Tensor:
        """What the function says."""
        return self.function(*given)
