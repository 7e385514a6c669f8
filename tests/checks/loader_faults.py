"""Faults of the loader, one at a time: the order of samples, and what batches are made of."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from check_gallery import KINDS, SharedBuffer, copied, made
from torch.utils.data import BatchSampler, WeightedRandomSampler

from bisector.train.parts import Parts

Make = Callable[[str, Path], Parts]
"""From a kind of data and a run directory to a recipe's parts with the fault in them."""


def unshuffled(*, is_sorted: bool) -> Make:
    def make(kind: str, rundir: Path) -> Parts:
        split = KINDS[kind][0]()
        if is_sorted and split.y.ndim == 1:
            order = split.y.argsort()
            split.x, split.y = split.x[order], split.y[order]
        return made(kind, rundir, data=split, trainer={"shuffle": False})

    return make


def of_one_class(size: int) -> Make:
    def make(kind: str, rundir: Path) -> Parts:
        split = KINDS[kind][0]()
        parts = made(kind, rundir, data=split)
        rng = torch.Generator().manual_seed(0)
        groups = [
            group[torch.randperm(len(group), generator=rng)]
            for c in range(int(split.y.max()) + 1)
            for group in [(split.y == c).nonzero().flatten()]
        ]
        pure = [b.tolist() for g in groups for b in g.split(size) if len(b) == size]
        mixed = [pure[i] for i in torch.randperm(len(pure), generator=rng)]
        return dataclasses.replace(parts, order=copied(parts.order, mixed))

    return make


def too_small_a_buffer(buffer: int) -> Make:
    def make(kind: str, rundir: Path) -> Parts:
        split = KINDS[kind][0]()
        parts = made(kind, rundir, data=split)
        stored = split.y.argsort().tolist()
        rng = torch.Generator().manual_seed(0)
        waiting, emitted = stored[:buffer], []
        for number in stored[buffer:]:
            place = int(torch.randint(len(waiting), (), generator=rng))
            emitted.append(waiting[place])
            waiting[place] = number
        batches = torch.tensor([*emitted, *waiting]).split(32)[:-1]
        return dataclasses.replace(parts, order=copied(parts.order, [b.tolist() for b in batches]))

    return make


def shared_buffer(every: int) -> Make:
    """One buffer is handed out for each sample whose number `every` divides."""

    def make(kind: str, rundir: Path) -> Parts:
        split = KINDS[kind][0]()
        sets = split.sets()
        sets.train = SharedBuffer(split.x, split.y, every)
        return made(kind, rundir, data=sets)

    return make


def unchanging(different: int) -> Make:
    """Of so many batches that differ, each is repeated."""

    def make(kind: str, rundir: Path) -> Parts:
        parts = made(kind, rundir)
        batches = [list(range(32 * n, 32 * n + 32)) for n in range(different) for _ in range(5)]
        return dataclasses.replace(parts, order=copied(parts.order, batches))

    return make


def never_drawn(kept: float) -> Make:
    """A sampler that was given a share of the samples, which it shuffles."""

    def make(kind: str, rundir: Path) -> Parts:
        parts = made(kind, rundir)
        total = len(parts.data.train)  # type: ignore[arg-type]
        some = torch.randperm(total, generator=torch.Generator().manual_seed(0))
        batches = some[: round(kept * total)].split(16)
        return dataclasses.replace(parts, order=copied(parts.order, [b.tolist() for b in batches]))

    return make


def drawn_the_wrong_way(power: float) -> Make:
    """Rare classes are drawn more seldom still, where weights were to even them out."""

    def make(kind: str, rundir: Path) -> Parts:
        parts = made(kind, rundir)
        y = KINDS[kind][0]().y
        weights = torch.arange(1, int(y.max()) + 2).double().pow(power)[y]
        order = BatchSampler(WeightedRandomSampler(weights, len(y)), 32, drop_last=True)
        return dataclasses.replace(parts, order=copied(parts.order, order))

    return make


LOADER_FAULTS: list[tuple[str, str, Make]] = [
    *(("R07a", kind, unshuffled(is_sorted=False)) for kind in ("image", "table", "text")),
    *(("R07a", kind, unshuffled(is_sorted=True)) for kind in ("image", "table")),
    *(("R10", kind, of_one_class(size)) for kind in ("image", "table") for size in (8, 32)),
    *(("R07b", kind, too_small_a_buffer(400)) for kind in ("image", "series")),
    ("R07b", "image", too_small_a_buffer(500)),
    *(("R03a", kind, shared_buffer(1)) for kind in ("image", "table", "text")),
    ("R03a", "image", shared_buffer(3)),
    *(("R03b", kind, unchanging(1)) for kind in ("image", "table", "text")),
    ("R03b", "image", unchanging(4)),
    *(("R03d", kind, never_drawn(0.1)) for kind in ("image", "table", "words")),
    ("R03d", "image", never_drawn(0.4)),
    *(("R08", kind, drawn_the_wrong_way(3.0)) for kind in ("image", "series")),
]
"""The check that must be first, the kind of data, and the recipe with the fault."""
