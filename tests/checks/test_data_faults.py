"""Every fault of the data is the first finding, in more than one kind of data and severity."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from check_gallery import (
    KINDS,
    LICENCE,
    SharedBuffer,
    Split,
    copied,
    examined,
    made,
    warned,
)
from sklearn.datasets import load_breast_cancer

Change = Callable[[Split], None]


def rows(split: Split, share: float) -> torch.Tensor:
    """So many of the training samples, always the same."""
    count = max(1, round(share * len(split.x)))
    return torch.randperm(len(split.x), generator=torch.Generator().manual_seed(1))[:count]


def missing(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share)] = float("nan")

    return change


def blank(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share)] = 0

    return change


def empty_features(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[:, : round(share * s.x.shape[1])] = 0.0
        s.vx[:, : round(share * s.x.shape[1])] = 0.0

    return change


def over_and_over(kept: int) -> Change:
    def change(s: Split) -> None:
        again = torch.arange(len(s.x)) % kept
        s.x, s.y = s.x[again], s.y[again]

    return change


def coded(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share), ..., 0] = -999.0

    return change


def in_bytes(share: float) -> Change:
    def change(s: Split) -> None:
        s.x[rows(s, share)] *= 255

    return change


def validation_as(function: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def change(s: Split) -> None:
        s.vx = function(s.vx)

    return change


def own_vocabulary(s: Split) -> None:
    """As when the validation split numbers its characters in order of appearance."""
    seen = list(dict.fromkeys(s.vx.flatten().tolist()))
    s.vx = torch.tensor([seen.index(t) for t in s.vx.flatten().tolist()]).view(s.vx.shape)


def by_frequency(s: Split) -> None:
    """As when the validation split numbers its characters by frequency."""
    order = s.vx.flatten().bincount(minlength=128).argsort(descending=True)
    s.vx = order.argsort()[s.vx]


def trained_on(share: float) -> Change:
    def change(s: Split) -> None:
        n = round(share * len(s.vx))
        s.vx[:n], s.vy[:n] = s.x[:n], s.y[:n]

    return change


def scaled(scale: float, offset: float = 0.0) -> Change:
    def change(s: Split) -> None:
        s.x, s.vx = (scale * part + offset for part in (s.x, s.vx))

    return change


def one_feature(scale: float) -> Change:
    def change(s: Split) -> None:
        s.x[:, 3] *= scale
        s.vx[:, 3] *= scale

    return change


def raw(s: Split) -> None:
    x = torch.tensor(load_breast_cancer().data, dtype=torch.float32)
    s.x, s.vx = x[: len(s.x)], x[len(s.x) :]
    y = torch.tensor(load_breast_cancer().target)
    s.y, s.vy = y[: len(s.y)], y[len(s.y) :]


def rare(kept: int) -> Change:
    def change(s: Split) -> None:
        keep = (s.y != 0) | ((s.y == 0).cumsum(0) <= kept)
        s.x, s.y = s.x[keep], s.y[keep]

    return change


def rolled(offset: int) -> Change:
    def change(s: Split) -> None:
        s.y = s.y.roll(offset, 0)

    return change


def reordered(s: Split) -> None:
    s.y = s.y[rows(s, 1.0)]


def reordered_mostly(s: Split) -> None:
    some = rows(s, 0.95)
    s.y[some] = s.y[some.roll(1)]


def mislabelled(share: float) -> Change:
    def change(s: Split) -> None:
        some, classes = rows(s, share), int(s.y.max()) + 1
        steps = torch.arange(len(some)) % (classes - 1) + 1
        s.y[some] = (s.y[some] + steps) % classes

    return change


def unshifted(s: Split) -> None:
    s.y = s.x.clone()


FAULTS: list[tuple[str, str, Change]] = [
    ("R01a", "image", missing(0.0)),
    ("R01a", "image", missing(0.3)),
    ("R01a", "table", missing(0.0)),
    ("R01a", "numbers", missing(0.2)),
    ("R01b", "image", blank(0.03)),
    ("R01b", "image", blank(0.15)),
    ("R01b", "table", blank(0.03)),
    ("R01b", "text", blank(0.1)),
    ("R01c", "table", empty_features(0.6)),
    ("R01c", "table", empty_features(0.9)),
    ("R01c", "numbers", empty_features(0.7)),
    ("R01d", "image", over_and_over(100)),
    ("R01d", "image", over_and_over(800)),
    ("R01d", "table", over_and_over(60)),
    ("R01d", "text", over_and_over(100)),
    ("R01e", "table", coded(0.005)),
    ("R01e", "table", coded(0.05)),
    ("R01e", "image", in_bytes(0.003)),
    ("R01e", "image", in_bytes(0.05)),
    ("R15a", "image", validation_as(lambda x: x[..., :7])),
    ("R15a", "table", validation_as(torch.Tensor.double)),
    ("R15b", "image", validation_as(lambda x: x + 1)),
    ("R15b", "image", validation_as(lambda x: x * 6 + 5)),
    ("R15b", "table", validation_as(lambda x: x + 2)),
    ("R15b", "table", validation_as(lambda x: x * 4)),
    ("R15b", "text", own_vocabulary),
    ("R15b", "text", by_frequency),
    ("R15c", "image", trained_on(0.05)),
    ("R15c", "image", trained_on(1.0)),
    ("R15c", "table", trained_on(0.1)),
    ("R15c", "text", trained_on(0.5)),
    ("R12", "image", scaled(6.0, 4.9)),
    ("R12", "image", scaled(96.0, 78.0)),
    ("R12", "image", scaled(0.004)),
    ("R12", "table", raw),
    ("R12", "table", one_feature(100.0)),
    ("R12", "numbers", scaled(0.05)),
    ("R08", "image", rare(6)),
    ("R08", "image", rare(1)),
    ("R08", "table", rare(12)),
    ("R08", "table", rare(3)),
    ("R04a", "image", rolled(1)),
    ("R04a", "image", rolled(-3)),
    ("R04a", "table", rolled(2)),
    ("R04b", "image", reordered),
    ("R04b", "image", reordered_mostly),
    ("R04b", "table", reordered),
    ("R04b", "text", reordered),
    ("R04c", "text", unshifted),
    ("R06", "image", mislabelled(0.1)),
    ("R06", "image", mislabelled(0.2)),
    ("R06", "image", mislabelled(0.4)),
    ("R06", "table", mislabelled(0.1)),
    ("R06", "table", mislabelled(0.2)),
]


@pytest.mark.parametrize(("expected", "kind", "change"), FAULTS)
def test_a_fault_of_the_data_is_the_first_finding(
    tmp_path: Path, expected: str, kind: str, change: Change
) -> None:
    split = KINDS[kind][0]()
    split.x, split.y = split.x.clone(), split.y.clone()
    split.vx, split.vy = split.vx.clone(), split.vy.clone()
    change(split)
    assert warned(examined(made(kind, tmp_path, data=split)))[:1] == [expected]


@pytest.mark.parametrize("kind", ["image", "table", "text"])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_a_loader_that_does_not_shuffle_is_named_first(
    tmp_path: Path, kind: str, is_sorted: bool
) -> None:
    split = KINDS[kind][0]()
    if is_sorted and split.y.ndim == 1:
        order = split.y.argsort()
        split.x, split.y = split.x[order], split.y[order]
    parts = made(kind, tmp_path, data=split, trainer={"shuffle": False})
    assert warned(examined(parts))[:1] == ["R07a"]


@pytest.mark.parametrize("kind", ["image", "table"])
@pytest.mark.parametrize("size", [8, 32])
def test_batches_of_one_class_in_any_order_are_named_as_such(
    tmp_path: Path, kind: str, size: int
) -> None:
    split = KINDS[kind][0]()
    parts = made(kind, tmp_path, data=split)
    rng = torch.Generator().manual_seed(0)
    groups = [
        group[torch.randperm(len(group), generator=rng)]
        for c in range(int(split.y.max()) + 1)
        for group in [(split.y == c).nonzero().flatten()]
    ]
    pure = [b.tolist() for g in groups for b in g.split(size) if len(b) == size]
    mixed = [pure[i] for i in torch.randperm(len(pure), generator=rng)]
    parts = dataclasses.replace(parts, order=copied(parts.order, mixed))
    assert warned(examined(parts))[:1] == ["R10"]


@pytest.mark.parametrize("buffer", [50, 200])
def test_a_shuffle_buffer_too_small_for_sorted_images_is_named(tmp_path: Path, buffer: int) -> None:
    split = KINDS["image"][0]()
    parts = made("image", tmp_path, data=split)
    stored = split.y.argsort().tolist()
    rng = torch.Generator().manual_seed(0)
    waiting, emitted = stored[:buffer], []
    for number in stored[buffer:]:
        place = int(torch.randint(len(waiting), (), generator=rng))
        emitted.append(waiting[place])
        waiting[place] = number
    batches = torch.tensor(emitted).split(32)[:-1]
    parts = dataclasses.replace(parts, order=copied(parts.order, [b.tolist() for b in batches]))
    assert warned(examined(parts))[0] in ("R07b", "R10")


@pytest.mark.parametrize("kind", ["image", "table", "text"])
def test_a_buffer_handed_out_for_every_sample_is_named_first(tmp_path: Path, kind: str) -> None:
    split = KINDS[kind][0]()
    sets = split.sets()
    sets.train = SharedBuffer(split.x, split.y)
    assert warned(examined(made(kind, tmp_path, data=sets)))[:1] == ["R03a"]


@pytest.mark.parametrize("kind", ["image", "table", "text"])
def test_a_batch_that_never_changes_is_named_first(tmp_path: Path, kind: str) -> None:
    parts = made(kind, tmp_path)
    same = [list(range(32))] * 5
    parts = dataclasses.replace(parts, order=copied(parts.order, same))
    assert warned(examined(parts))[:1] == ["R03b"]


def test_the_licence_is_there_to_be_read() -> None:
    assert len(LICENCE.read_text(encoding="utf-8")) > 10_000
