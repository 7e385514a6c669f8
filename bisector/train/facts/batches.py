"""Facts about what the loader emits: against the data set, and in which order."""

import itertools
from typing import Any

import torch
from scipy.stats import norm

from bisector.train.batches import Batch, samples_in
from bisector.train.facts.samples import KEPT, Samples, class_numbers, digests
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent, epochs_of

Facts = dict[str, Any]
WHOLE = 0.8
"""The share of an epoch that must have been read to say how often each class is drawn in one."""
PERMUTATIONS = 200
"""Orders drawn to learn how alike neighbouring batches are by luck."""


def loader(scene: Scene) -> Facts:
    """Whether batches hold what the data set yields, and whether they change."""
    index, _ = scene.emitted[0]
    again, once_more = ([scene.source.sample(i) for i in index[:KEPT]] for _ in range(2))
    steady = all(alike(a, b) for a, b in zip(again, once_more, strict=True))
    x, y = scene.batches[0]
    wrong = [
        i
        for i, sample, row, target in zip(index[:KEPT], again, x, y, strict=False)
        if steady and not alike(sample, (row, target))
    ]
    whole = [b"".join(digests(*b)) for b in scene.batches]
    repeated = sum(a == b for a, b in itertools.pairwise(whole))
    inside = [len(set(digests(b[0]))) for b in scene.batches]
    return {
        "batches": len(scene.batches),
        "shape": list(x.shape),
        "steady": steady,
        "compared": len(again) if steady else 0,
        "mismatched": len(wrong),
        "mismatched_samples": wrong,
        "unchanged_share": repeated / max(1, len(whole) - 1),
        "distinct_in_batch": min(inside),
        "batch_size": len(x),
    }


def alike(one: tuple[torch.Tensor, ...], two: tuple[torch.Tensor, ...]) -> bool:
    """Whether two samples have the same content."""
    return all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), equal_nan=True)
        for a, b in zip(one, two, strict=True)
    )


def order(scene: Scene) -> Facts:
    """How often a sample is followed by its neighbour in the data set."""
    if scene.source.dataset is None:
        raise Absent("the loader has no samples by number")
    return stored_order(scene.batches, scene.train)


def stored_order(batches: tuple[Batch, ...], train: Samples) -> Facts:
    """The share of pairs in emitted order that are neighbours in the data set."""
    places: dict[bytes, int] = {}
    for number, key in zip(train.numbers, digests(train.x, train.y), strict=True):
        places.setdefault(key, number)
    emitted = [places.get(key) for batch in batches for key in digests(*batch)]
    emitted = emitted[: max(2, len(train.numbers) // 16)]
    if sum(e is not None for e in emitted) < len(emitted) * min(
        0.5, 0.5 * len(train.numbers) / train.total
    ):
        raise Absent("samples change from one reading to the next")
    pairs = list(itertools.pairwise(emitted))
    following = sum(a is not None and b is not None and b - a == 1 for a, b in pairs)
    return {
        "following_share": following / len(pairs),
        "pairs": len(pairs),
        "first": [e for e in emitted[:KEPT] if e is not None],
    }


def visits(scene: Scene) -> Facts:
    """Which samples are drawn in two epochs; those that validation reads are not left out.

    Raises:
        Absent: there are no numbers, or no end of them.
    """
    source, val = scene.source, scene.shown.val
    if source.dataset is None:
        raise Absent("the loader has no samples by number")
    total = samples_in(source.dataset)
    first, second = epochs_of(source.order, total)
    if not first:
        raise Absent("an epoch has no end, or cannot be counted")
    known = first | second
    if val is not None and val.dataset is source.dataset:
        known |= epochs_of(val.order, total)[0]
    return {
        "samples": total,
        "drawn": len(first),
        "new_in_second": len(second - first),
        "never_share": 1 - len(known) / total,
        "never": list(itertools.islice((i for i in range(total) if i not in known), KEPT)),
    }


def batch_labels(scene: Scene) -> Facts:
    """How labels are spread over batches."""
    targets = [class_numbers(y) for _, y in scene.batches]
    known = [t for t in targets if t is not None]
    if scene.train.labels is None or len(known) < len(targets):
        raise Absent("targets are not one class number each")
    facts = label_spread(known)
    if WHOLE * scene.source.total <= sum(map(len, known)):
        facts["drawn"] = torch.cat(known).bincount().tolist()
    return facts


def label_spread(targets: list[torch.Tensor]) -> Facts:
    """Batches with one label only, and how alike neighbouring batches are.

    Args:
        targets: class numbers of each batch, in the order of the loader.
    """
    size = int(max(t.max() for t in targets)) + 1
    counts = torch.stack([torch.bincount(t, minlength=size) for t in targets]).double()
    shares = counts / counts.sum(1, keepdim=True)
    overall = counts.sum(0) / counts.sum()
    alone = (shares.max(1).values == 1).double()
    by_luck = (overall ** counts.sum(1).mean()).sum().item()
    return {
        "batches": len(targets),
        "batch_size": int(counts[0].sum()),
        "single_share": alone.mean().item(),
        "single_by_luck": by_luck,
        "single_batches": alone.nonzero().flatten()[:KEPT].tolist(),
        "single_labels": [int(counts[i].argmax()) for i in alone.nonzero().flatten()[:KEPT]],
        "labels_per_batch": (counts > 0).sum(1).double().mean().item(),
        **neighbours(shares),
    }


def neighbours(shares: torch.Tensor) -> Facts:
    """How much more of their labels neighbouring batches share than batches in random order."""
    rng = torch.Generator().manual_seed(0)

    def likeness(rows: torch.Tensor) -> float:
        return torch.minimum(rows[1:], rows[:-1]).sum(1).mean().item()

    seen = likeness(shares)
    orders = (torch.randperm(len(shares), generator=rng) for _ in range(PERMUTATIONS))
    luck = torch.tensor([likeness(shares[o]) for o in orders], dtype=torch.double)
    spread = max(luck.std().item(), 1e-9)
    return {
        "likeness": seen,
        "likeness_by_luck": luck.mean().item(),
        "likeness_p": float(norm.sf((seen - luck.mean().item()) / spread)) if seen > 0 else 1.0,
    }
