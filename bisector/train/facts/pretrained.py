"""Facts about pretrained weights: the preprocessing that they declare, and the one that is seen.

Recognised by the shape of what declares it, so that no library of models is imported: the
transforms of torchvision's weights (`mean`, `std`, `crop_size`), timm's `pretrained_cfg`, the image
processors of transformers (`image_mean`, `image_std`, `size`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from bisector.train.facts.samples import is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
PLACES = (
    "weights", "pretrained_cfg", "default_cfg", "config", "processor", "image_processor",
    "feature_extractor", "transform", "transforms", "preprocess",
)  # fmt: skip
"""Attributes under which a declaration is kept, or an object that has one."""
NAMES = (("mean", "image_mean"), ("std", "image_std"), ("crop_size", "input_size", "size"))
"""What libraries call the mean, the deviation and the size."""


def declared(scene: Scene) -> Facts:
    """The declared mean, deviation and size beside what the model receives.

    Raises:
        Absent: nothing declares any, or inputs are no images.
    """
    x = torch.cat([x for x, _ in scene.received])
    found = next((d for holder in holders(scene) for d in declarations(holder)), None)
    if found is None:
        raise Absent("nothing declares how inputs are to be prepared")
    where, mean, std, size = found
    if not is_numbers(x) or x.ndim != 4 or x.shape[1] != len(mean):
        raise Absent(f"inputs {list(x.shape)} are no images of {len(mean)} channels")
    centre, width = (torch.tensor(v, dtype=torch.double).view(-1, 1, 1) for v in (mean, std))
    undone = x.double() * width + centre
    flat = undone.transpose(0, 1).flatten(1)
    low, high = (torch.quantile(some(flat), q, dim=1) for q in (0.001, 0.999))
    return {
        "where": where,
        "mean": list(mean),
        "std": list(std),
        "size": size,
        "seen_size": list(x.shape[2:]),
        "low": low.min().item(),
        "high": high.max().item(),
        "span": (high - low).max().item(),
        "seen_mean": x.double().mean((0, 2, 3)).tolist(),
        "seen_std": x.double().std((0, 2, 3)).tolist(),
        "undone_mean": flat.mean(1).tolist(),
    }


def some(rows: torch.Tensor) -> torch.Tensor:
    """At most a million values of each row, evenly spread, which is what `quantile` bears."""
    return rows[:, :: -(-rows.shape[1] // 1_000_000)]


def holders(scene: Scene) -> Iterator[object]:
    """Where a declaration may be kept."""
    yield scene.shown.model
    yield from scene.shown.model.children()
    yield from scene.shown.holders
    yield from filter(None, (scene.source.dataset,))


Declaration = tuple[str, tuple[float, ...], tuple[float, ...], list[int]]
"""Where it stands, mean and deviation by channel, and the size in pixels; empty: not said."""


def declarations(holder: object) -> Iterator[Declaration]:
    """What an object's attributes declare."""
    for place in PLACES:
        value = getattr(holder, place, None)
        for said in (value, made_by(value)):
            found = None if said is None else read(said)
            if found is not None:
                yield (f"{type(holder).__name__}.{place}", *found)


def made_by(value: object) -> object:
    """The transforms that torchvision's weights make on call."""
    transforms = getattr(value, "transforms", None)
    return transforms() if callable(transforms) else None


def read(said: object) -> tuple[tuple[float, ...], tuple[float, ...], list[int]] | None:
    """Mean, deviation and size from an object or a mapping; None: it says no such thing."""
    mean, std, size = (first(said, names) for names in NAMES)
    if not numbers(mean) or not numbers(std) or len(mean) != len(std):
        return None
    return tuple(map(float, mean)), tuple(map(float, std)), sides(size)


def first(said: object, names: tuple[str, ...]) -> Any:
    """The first of the names that has a value."""
    for name in names:
        found = said.get(name) if isinstance(said, Mapping) else getattr(said, name, None)
        if found is not None:
            return found
    return None


def numbers(value: object) -> bool:
    """Whether it is a list of numbers."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(v, float | int) for v in value)
    )


def sides(size: Any) -> list[int]:
    """Height and width, of 224, [224], [3, 224, 224] or {"height": 224, "width": 224}."""
    if isinstance(size, Mapping):
        size = [size[name] for name in ("height", "width") if name in size]
    if isinstance(size, int):
        return [size, size]
    if not isinstance(size, list | tuple) or not size:
        return []
    found = [int(s) for s in size][-2:]
    return found if len(found) > 1 else found * 2
