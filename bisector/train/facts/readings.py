"""Facts about reading samples again: by the same process, by several, and in the next epoch."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from bisector.train.facts.samples import KEPT, digests
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent, Source, pair

Facts = dict[str, Any]
PATIENCE = 20.0
"""Seconds for a loader's processes to start and to read one sample each."""


def readings(scene: Scene) -> Facts:
    """Which validation samples differ from one reading to the next."""
    source = scene.val_source
    if source.dataset is None:
        raise Absent("the validation loader has no samples by number")
    numbers = source.numbers[:KEPT]
    changed = [i for i in numbers if not same(source, i)]
    return {"read": len(numbers), "changed": changed, "train_changes": scene.changing(scene.source)}


def same(source: Source, number: int) -> bool:
    """Whether the inputs of two readings are equal, NaN being equal to itself."""
    one, two = (source.sample(number)[0] for _ in range(2))
    return one.shape == two.shape and bool(
        torch.allclose(one.double(), two.double(), equal_nan=True)
    )


def workers(scene: Scene) -> Facts:
    """Whether the processes that load the training split draw the same random numbers.

    Raises:
        Absent: there are none, or samples are not changed at random.
    """
    source = scene.source
    if not source.workers.number:
        raise Absent("the loader has no processes of its own")
    if source.dataset is None or not source.total:
        raise Absent("the loader has no samples by number")
    first, second = (list(one_epoch(source)) for _ in range(2))
    if first[0] == first[2]:
        raise Absent("samples do not change from one reading to the next")
    return {
        "workers": source.workers.number,
        "alike": first[0] == first[1] and first[2] == first[3],
        "again": first == second and not source.workers.lasting,
    }


def one_epoch(source: Source) -> Iterator[bytes]:
    """The first samples, read in turn by two processes, twice by each."""
    assert source.dataset is not None
    loader: DataLoader[Any] = DataLoader(
        source.dataset,
        batch_sampler=[list(source.numbers[:KEPT])] * 4,
        num_workers=2,
        collate_fn=source.collate,
        worker_init_fn=source.workers.begin,
        timeout=PATIENCE,
    )
    for batch in loader:
        yield b"".join(digests(pair(batch)[0]))
