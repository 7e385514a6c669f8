"""What is changed at random, and what pretrained weights declare: faults, and what is healthy."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from check_gallery import KINDS, examined, made, warned
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import Dataset, TensorDataset

from bisector.model.finding import Severity
from bisector.train.parts import Parts

NORMAL = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation by channel of the weights that many models start from."""


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


def augmented(kind: str, rundir: Path, name: str, **arguments: Any) -> list[str]:
    augment = {"it": {"_target_": f"{__name__}.{name}", **arguments}}
    return warned(examined(made(kind, rundir, augment=augment)))


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        ("image", "AddNoise", {"std": 12.0}),
        ("image", "Erase", {"share": 0.97}),
        ("image", "MixUp", {}),
        ("table", "MixUp", {}),
        ("table", "AddNoise", {"std": 20.0}),
        ("series", "Erase", {"share": 0.99}),
    ],
)
def test_augmentation_that_does_not_keep_the_label_is_named_first(
    tmp_path: Path, kind: str, name: str, arguments: dict[str, float]
) -> None:
    assert augmented(kind, tmp_path, name, **arguments)[:1] == ["R13"]


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        ("image", "AddNoise", {"std": 0.3}),
        ("image", "Erase", {"share": 0.2}),
        ("table", "AddNoise", {"std": 0.2}),
    ],
)
def test_usual_augmentation_raises_no_alarm(
    tmp_path: Path, kind: str, name: str, arguments: dict[str, float]
) -> None:
    assert augmented(kind, tmp_path, name, **arguments) == []


class Noisy(Dataset[Any]):
    """Samples with noise, drawn from its own generator or from torch's stream."""

    def __init__(self, x: Tensor, y: Tensor, own: np.random.Generator | None = None) -> None:
        self.x, self.y, self.own = x, y, own

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(()) if self.own is None else torch.tensor(self.own.normal())
        return self.x[i] + 0.1 * noise.float(), self.y[i]


def with_noise(kind: str, *, val: bool = False, own: bool = False) -> Any:
    s = KINDS[kind][0]()
    rng = np.random.default_rng(0) if own else None
    train, rest = Noisy(s.x, s.y, rng), (Noisy if val else TensorDataset)(s.vx, s.vy)
    return SimpleNamespace(train=train, val=rest)


@pytest.mark.parametrize("kind", ["image", "table"])
def test_validation_samples_that_are_augmented_are_named_first(tmp_path: Path, kind: str) -> None:
    assert warned(examined(made(kind, tmp_path, data=with_noise(kind, val=True))))[:1] == ["R15e"]


@pytest.mark.parametrize("kind", ["image", "table"])
@pytest.mark.parametrize(("own", "expected"), [(True, ["R03c"]), (False, [])])
def test_loader_processes_that_draw_alike_are_named_first(
    tmp_path: Path, kind: str, own: bool, expected: list[str]
) -> None:
    data = with_noise(kind, own=own)
    assert warned(examined(made(kind, tmp_path, data=data, trainer={"workers": 2}))) == expected


def photographs(rundir: Path, mean: Any, std: Any, *, size: int = 8, bgr: bool = False) -> Parts:
    """Digits in colour, standardised by `mean` and `std`, for a model with declared weights."""
    s = KINDS["image"][0]()
    tint = torch.tensor([0.1, 0.05, 0.0]).view(1, 3, 1, 1)
    for name in ("x", "vx"):
        grey = getattr(s, name)
        pixels = (grey - grey.min()) / (grey.max() - grey.min())
        colour = (0.9 * pixels + tint).clamp(0, 1)
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


@pytest.mark.parametrize(
    ("place", "mean", "std", "size", "expected"),
    [
        ("weights", *NORMAL, 8, []),
        ("weights", (0.0,) * 3, (1.0,) * 3, 8, ["R14a"]),
        ("weights", (0.0,) * 3, (1 / 255,) * 3, 8, ["R14a"]),
        ("weights", *NORMAL, 24, ["R14a"]),
        ("pretrained_cfg", *NORMAL, 8, []),
        ("pretrained_cfg", (0.5,) * 3, (0.5,) * 3, 8, ["R14a"]),
        ("processor", *NORMAL, 8, []),
        ("processor", (0.0,) * 3, (1.0,) * 3, 8, ["R14a"]),
    ],
)
def test_preprocessing_is_held_to_what_the_weights_declare(
    tmp_path: Path, place: str, mean: Any, std: Any, size: int, expected: list[str]
) -> None:
    parts = photographs(tmp_path, mean, std, size=size)
    setattr(parts.model, place, DECLARED[place])
    assert warned(examined(parts))[:1] == expected


@pytest.mark.parametrize("bgr", [False, True])
def test_channels_in_reverse_order_are_noted(tmp_path: Path, bgr: bool) -> None:
    parts = photographs(tmp_path, *NORMAL, bgr=bgr)
    parts.model.pretrained_cfg = DECLARED["pretrained_cfg"]
    notes = [f.check for f in examined(parts).findings if f.severity is Severity.NOTE]
    assert notes == (["R14b"] if bgr else [])
