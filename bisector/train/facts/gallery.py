"""What the network receives, to be looked at: samples of the first batches beside their targets.

Each sample is shown twice: by the values that the network is given, and mapped back to the
range of the training split, which is what it looked like before it was normalised.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.facts.png import diverging, grey, png
from bisector.train.facts.samples import Samples, digests, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
BATCHES, SHOWN = 2, 12
"""Batches, and samples of each."""
SIDE, TOKENS = 64, 48
"""Larger images are shrunk to so many pixels; longer rows of a table or of text are cut."""
FULL = 3.0
"""What the network is given is in full colour from so far off zero; it should be near +-1."""


def gallery(scene: Scene, facts: Mapping[str, Facts]) -> Facts:
    """The first samples of the first batches, and the samples whose labels are suspect."""
    show = Pictures.of(scene.train.x) if is_numbers(scene.train.x) else Words(decoder(scene))
    numbers = dict(zip(digests(scene.train.x, scene.train.y), scene.train.numbers, strict=True))
    likelier = suspects(facts)
    name = names_of(scene)

    def sample(number: int | None, x: torch.Tensor, y: torch.Tensor, before: torch.Tensor) -> Facts:
        doubt = likelier.get(-1 if number is None else number)
        return {
            "number": number,
            "target": told_target(y, x, name),
            "likelier": "" if doubt is None else name(doubt),
            **show.sample(x, y, before),
        }

    return {
        "layout": show.layout,
        "shape": list(scene.train.x.shape[1:]),
        "augmented_by": list(scene.shown.augments),
        "full": FULL,
        "batches": [
            [
                sample(numbers.get(key), x, y, before)
                for key, x, y, before in rows(emitted, received)
            ]
            for emitted, received in list(zip(scene.batches, scene.received, strict=True))[:BATCHES]
        ],
        "suspects": [
            sample(scene.train.numbers[i], scene.train.x[i], scene.train.y[i], scene.train.x[i])
            for i in places(scene.train, list(likelier)[:SHOWN])
        ],
    }


Pair = tuple[torch.Tensor, torch.Tensor]


def rows(
    emitted: Pair, received: Pair
) -> Iterator[tuple[bytes, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """The first samples of a batch: key, input and target as received, input as emitted."""
    before, after = ([part[:SHOWN].cpu() for part in pair] for pair in (emitted, received))
    return zip(digests(*before), *after, before[0], strict=True)


def decoder(scene: Scene) -> Callable[[int], str]:
    """From a token's number to its text.

    The source of the data tells by `decode(numbers)`, or by a sequence `symbols`.
    """
    decode = next(told_by(scene, "decode"), None)
    symbols = next(told_by(scene, "symbols"), None)
    if callable(decode):
        return lambda token: str(decode([token]))
    if isinstance(symbols, list | tuple | str):
        return lambda token: str(symbols[token]) if token < len(symbols) else str(token)
    return str


def suspects(facts: Mapping[str, Facts]) -> dict[int, int]:
    """Sample number to the class that is likelier than its own."""
    found = facts.get("noise", {})
    return dict(zip(found.get("samples", []), found.get("likelier", []), strict=True))


def places(samples: Samples, wanted: Sequence[int]) -> list[int]:
    """Where the samples of these numbers stand."""
    place = {number: i for i, number in enumerate(samples.numbers)}
    return [place[number] for number in wanted if number in place]


def names_of(scene: Scene) -> Callable[[int], str]:
    """From a class number to its name: torchvision's `classes`, where there are any."""
    for names in told_by(scene, "classes"):
        if isinstance(names, list | tuple) and all(isinstance(n, str) for n in names):
            return lambda number: names[number] if 0 <= number < len(names) else str(number)
    return str


def told_by(scene: Scene, attribute: str) -> Iterator[Any]:
    """What the training's data say of themselves, e.g. the names of classes."""
    holders = (*scene.shown.holders, scene.source.dataset)
    yield from (getattr(holder, attribute) for holder in holders if hasattr(holder, attribute))


def told_target(y: torch.Tensor, x: torch.Tensor, name: Callable[[int], str]) -> str:
    """A target in a few letters."""
    if y.ndim == 0:
        return f"{y.item():.4g}" if y.is_floating_point() else name(int(y))
    if not is_numbers(x) and y.shape == x.shape:
        return ""  # Shown position by position.
    if y.ndim > 1:
        return "x".join(map(str, y.shape))
    if y.is_floating_point() and len(y) > 1 and (y >= 0).all() and abs(y.sum().item() - 1) < 1e-3:
        top = y.topk(2)
        parts = zip(top.values.tolist(), top.indices.tolist(), strict=True)
        told = [name(c) if p > 0.995 else f"{p:.2f} {name(c)}" for p, c in parts if p >= 0.005]
        return " + ".join(told)
    return ", ".join(f"{v:.3g}" for v in y[:4].tolist()) + (", ..." if len(y) > 4 else "")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Shows images, and rows of a table or channels of a series as strips."""

    layout: str
    low: torch.Tensor
    high: torch.Tensor
    """1 and 99 % quantiles of each channel [C], or feature of a table [F, 1], in training."""

    @staticmethod
    def of(x: torch.Tensor) -> "Pictures":
        """For such inputs [N, ...].

        Raises:
            Absent: they are neither rows, nor series, nor images.
        """
        if x.ndim > 4:
            raise Absent(f"inputs of {x.ndim - 1} dimensions are not shown")
        planes = torch.stack([plane(sample) for sample in x[:: -(-len(x) // 200)]])
        shared = x.ndim > 2
        each = planes.flatten(0, 2) if shared else planes.flatten(1)
        low, high = (each.nanquantile(q, dim=0) for q in (0.01, 0.99))
        low, high = (v if shared else v[:, None] for v in (low, high))
        layout = "tiles" if x.ndim == 4 else "strips"
        return Pictures(layout, low, torch.where(high > low, high, low + 1))

    def sample(self, x: torch.Tensor, y: torch.Tensor, before: torch.Tensor) -> Facts:
        """Three pictures: by the values given, mapped back, and mapped back before augmentation."""
        given, first = plane(x), plane(before)
        return {
            "received": png(by_value(given)),
            "restored": png(grey((given - self.low) / (self.high - self.low))),
            "emitted": png(grey((first - self.low) / (self.high - self.low))),
        }


def plane(x: torch.Tensor) -> torch.Tensor:
    """One input as a picture [height, width, 1 or 3], no larger than can be shown."""
    x = x.detach().float().cpu()
    if x.ndim == 3:
        image = x.permute(2, 0, 1) if x.shape[2] in (1, 3) and x.shape[0] not in (1, 3) else x
        image = image[:3] if len(image) > 2 else image[:1]
        shrink = max(1.0, max(image.shape[1:]) / SIDE)
        height, width = (max(1, round(side / shrink)) for side in image.shape[1:])
        return F.adaptive_avg_pool2d(image[None], (height, width))[0].permute(1, 2, 0)
    strip = x.view(1, -1) if x.ndim < 2 else x
    strip = strip if strip.shape[0] <= strip.shape[1] else strip.t()
    return strip[:SIDE, : 4 * SIDE, None]


def by_value(picture: torch.Tensor) -> torch.Tensor:
    """Zero is white, or grey where there are three channels; `FULL` off zero is full colour."""
    if picture.shape[2] == 1:
        return diverging(picture / FULL)
    return grey(picture / FULL / 2 + 0.5)


@dataclass(frozen=True, slots=True)
class Words:
    """Shows tokens, as text where the source of the data can decode them."""

    decode: Callable[[int], str]
    layout: str = "words"

    def sample(self, x: torch.Tensor, y: torch.Tensor, before: torch.Tensor) -> Facts:
        """The tokens given, those before augmentation, and the target at each position."""
        aligned = y.shape == x.shape and not y.is_floating_point()
        return {
            "received": self._words(x),
            "emitted": self._words(before),
            "targets": self._words(y) if aligned else [],
        }

    def _words(self, tokens: torch.Tensor) -> list[str]:
        return [self.decode(int(t)) for t in tokens.flatten()[:TOKENS].tolist()]
