"""Faults of what a recipe names in its configuration, one at a time.

What changes samples at random, a model that is not all in its state, preprocessing that pretrained
weights do not declare.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from check_gallery import KINDS, made
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import Dataset, TensorDataset

from bisector.train.parts import Parts

Make = Callable[[str, Path], Parts]
"""From a kind of data and a run directory to a recipe's parts with the fault in them."""
NORMAL = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation by channel of the weights that many models start from."""
UNIT = ((0.0,) * 3, (1.0,) * 3)
TINT = (0.1, 0.05, 0.0)

# --- what changes samples at random ------------------------------------------------------------


class AddNoise:
    """An augmentation of any input."""

    def __init__(self, std: float) -> None:
        self.std = std

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return x + self.std * torch.randn(x.shape, generator=rng), y


class Erase:
    """Sets a share of the values to 0."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return x * (torch.rand(x.shape, generator=rng) > self.share), y


class MixUp:
    """Hands every sample another one's input: the order of the batch is lost."""

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return x[torch.randperm(len(x), generator=rng)], y


def augmented(name: str, **arguments: float) -> Make:
    augment = {"it": {"_target_": f"{__name__}.{name}", **arguments}}
    return lambda kind, rundir: made(kind, rundir, augment=augment)


class Noisy(Dataset[Any]):
    """Samples with noise, drawn from its own generator or from torch's stream."""

    def __init__(self, split: Any, std: float, own: np.random.Generator | None = None) -> None:
        (self.x, self.y), self.std, self.own = split, std, own

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(()) if self.own is None else torch.tensor(self.own.normal())
        return self.x[i] + self.std * noise.float(), self.y[i]


def noisy_validation(std: float) -> Make:
    def make(kind: str, rundir: Path) -> Parts:
        s = KINDS[kind][0]()
        sets = SimpleNamespace(train=Noisy((s.x, s.y), std), val=Noisy((s.vx, s.vy), std))
        return made(kind, rundir, data=sets)

    return make


def noisy_in_workers(std: float, *, own: bool = True) -> Make:
    """Each process has a copy of the data set's own generator, in one state."""

    def make(kind: str, rundir: Path) -> Parts:
        s = KINDS[kind][0]()
        train = Noisy((s.x, s.y), std, np.random.default_rng(0) if own else None)
        sets = SimpleNamespace(train=train, val=TensorDataset(s.vx, s.vy))
        return made(kind, rundir, data=sets, trainer={"workers": 2})

    return make


# --- a model that is not all in its state ------------------------------------------------------


class Unsaved(nn.Module):
    """A model of the gallery, and a tensor that is neither buffer nor parameter."""

    def __init__(self, kind: str, strength: float, outputs: int, **_: Any) -> None:
        super().__init__()
        self.inner = instantiate(KINDS[kind][1])
        self.gains = 1 + strength * torch.randn(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.gains


def unsaved(strength: float, outputs: int) -> Make:
    target = {"_target_": f"{__name__}.Unsaved", "strength": strength, "outputs": outputs}
    return lambda kind, rundir: made(kind, rundir, model=target | {"kind": kind})


# --- what pretrained weights declare -----------------------------------------------------------


def photographs(
    rundir: Path, mean: Any, std: Any, *, size: int = 8, tint: Any = TINT, bgr: bool = False
) -> Parts:
    """Digits in colour, standardised by `mean` and `std`, for a model with declared weights."""
    s = KINDS["image"][0]()
    light = torch.tensor(tint).view(1, 3, 1, 1)
    for name in ("x", "vx"):
        grey = getattr(s, name)
        pixels = (grey - grey.min()) / (grey.max() - grey.min())
        colour = ((1 - max(tint)) * pixels + light).clamp(0, 1)
        colour = F.interpolate(colour.flip(1) if bgr else colour, size=(size, size))
        centre, width = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))
        setattr(s, name, (colour - centre) / width)
    parts = made("image", rundir, data=s)
    parts.model.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), parts.model.stem)
    optimizer = torch.optim.AdamW(parts.model.parameters())
    return Parts(**{n: getattr(parts, n) for n in Parts.__slots__} | {"optimizer": optimizer})


DECLARED: dict[str, Any] = {
    "weights": SimpleNamespace(
        transforms=lambda: SimpleNamespace(mean=list(NORMAL[0]), std=list(NORMAL[1]), crop_size=[8])
    ),
    "pretrained_cfg": {"mean": NORMAL[0], "std": NORMAL[1], "input_size": (3, 8, 8)},
    "processor": SimpleNamespace(
        image_mean=list(NORMAL[0]), image_std=list(NORMAL[1]), size={"height": 8, "width": 8}
    ),
}
"""As torchvision, timm and transformers declare it."""


def declaring(place: str, mean: Any = NORMAL[0], std: Any = NORMAL[1], **how: Any) -> Make:
    def make(_: str, rundir: Path) -> Parts:
        parts = photographs(rundir, mean, std, **how)
        setattr(parts.model, place, DECLARED[place])
        return parts

    return make


RECIPE_FAULTS: list[tuple[str, str, Make]] = [
    ("R13", "image", augmented("AddNoise", std=12.0)),
    ("R13", "image", augmented("Erase", share=0.97)),
    ("R13", "image", augmented("MixUp")),
    ("R13", "table", augmented("MixUp")),
    ("R13", "table", augmented("AddNoise", std=20.0)),
    ("R13", "series", augmented("Erase", share=0.99)),
    ("R15e", "image", noisy_validation(0.1)),
    ("R15e", "image", noisy_validation(0.5)),
    ("R15e", "table", noisy_validation(0.1)),
    ("R15e", "series", noisy_validation(0.02)),
    ("R03c", "image", noisy_in_workers(0.1)),
    ("R03c", "table", noisy_in_workers(0.1)),
    ("R03c", "table", noisy_in_workers(0.4)),
    ("R22c", "image", unsaved(0.5, 10)),
    ("R22c", "image", unsaved(0.01, 10)),
    ("R22c", "table", unsaved(0.5, 2)),
    ("R22c", "words", unsaved(0.02, 3)),
    ("R14a", "image", declaring("weights", *UNIT)),
    ("R14a", "image", declaring("weights", (0.0,) * 3, (1 / 255,) * 3)),
    ("R14a", "image", declaring("weights", size=24)),
    ("R14a", "image", declaring("pretrained_cfg", (0.5,) * 3, (0.5,) * 3)),
    ("R14a", "image", declaring("processor", *UNIT)),
    ("R14b", "image", declaring("pretrained_cfg", bgr=True)),
    ("R14b", "image", declaring("weights", bgr=True, tint=(0.4, 0.2, 0.1))),
]
"""The check that must be first, the kind of data, and the recipe with the fault."""
