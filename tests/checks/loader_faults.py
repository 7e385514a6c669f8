"""Faults of the loader, one at a time: the order of samples, and what batches are made of."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from check_gallery import KINDS, SharedBuffer, copied, made

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
        batches = torch.tensor(emitted).split(32)[:-1]
        return dataclasses.replace(parts, order=copied(parts.order, [b.tolist() for b in batches]))

    return make


def shared_buffer(kind: str, rundir: Path) -> Parts:
    split = KINDS[kind][0]()
    sets = split.sets()
    sets.train = SharedBuffer(split.x, split.y)
    return made(kind, rundir, data=sets)


def unchanging(kind: str, rundir: Path) -> Parts:
    parts = made(kind, rundir)
    return dataclasses.replace(parts, order=copied(parts.order, [list(range(32))] * 5))


LOADER_FAULTS: list[tuple[str, str, Make]] = [
    *(("R07a", kind, unshuffled(is_sorted=False)) for kind in ("image", "table", "text")),
    *(("R07a", kind, unshuffled(is_sorted=True)) for kind in ("image", "table")),
    *(("R10", kind, of_one_class(size)) for kind in ("image", "table") for size in (8, 32)),
    *(("R03a", kind, shared_buffer) for kind in ("image", "table", "text")),
    *(("R03b", kind, unchanging) for kind in ("image", "table", "text")),
]
"""The check that must be first, the kind of data, and the recipe with the fault."""
