"""Real data and small real models, each with the faults that checks must find.

`image` is the recipe `digits`; `table` is scikit-learn's breast-cancer data with a small net, `numbers`
its diabetes data; `text` is the licence of this repository, character by character, for a transformer;
`words` and `series` are sequences to be told apart by a GRU, `waves` are some of three channels, whose
pitch is a number to be told.
"""

import copy
import math
from pathlib import Path
from typing import Any

import torch
from bisector.recipes.digits import Digits
from omegaconf import OmegaConf
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import Dataset, TensorDataset

from bisector.checks.catalogue import CATALOGUE
from bisector.diagnose import Terms, diagnose
from bisector.model.finding import Diagnosis, Severity
from bisector.train.facts.scene import Bounds
from bisector.train.facts.shown import Shown, of_recipe
from bisector.train.inspection import finite, inspect
from bisector.train.parts import Parts, build
from bisector.train.run import Run

torch.set_num_threads(1)
"""As in a trial; more threads than cores make small models ten times slower."""

TEXTS = [
    Path(__file__).parents[2] / p
    for p in ("LICENSE", "bisector/orchestrator.py", "CONTRIBUTING.md")
]
LICENCE = Path(__file__).parents[2] / "LICENSE"


class Split:
    """Tensors that a fault may change: `x`, `y` are the training split's, `vx`, `vy` the other's."""

    def __init__(self, x: Tensor, y: Tensor, vx: Tensor, vy: Tensor) -> None:
        self.x, self.y, self.vx, self.vy = x, y, vx, vy

    def sets(self) -> Any:
        holder = type("Splits", (), {})()
        holder.train = TensorDataset(self.x, self.y)
        holder.val = TensorDataset(self.vx, self.vy)
        return holder


def image() -> Split:
    data = Digits()
    return Split(*(t.clone() for t in (*data.train.tensors, *data.val.tensors)))


def table() -> Split:
    x, y = load_breast_cancer(return_X_y=True)
    x, vx, y, vy = train_test_split(x, y, test_size=1 / 3, random_state=0, stratify=y)
    mean, std = x.mean(0), x.std(0)
    scaled = [torch.tensor((part - mean) / std, dtype=torch.float32) for part in (x, vx)]
    return Split(scaled[0], torch.tensor(y), scaled[1], torch.tensor(vy))


def numbers() -> Split:
    x, y = load_diabetes(return_X_y=True)
    x, vx, y, vy = train_test_split(x, y, test_size=1 / 3, random_state=0)
    mean, std = x.mean(0), x.std(0)
    parts = [torch.tensor((p - mean) / std, dtype=torch.float32) for p in (x, vx)]
    targets = [torch.tensor((p - y.mean()) / y.std(), dtype=torch.float32) for p in (y, vy)]
    return Split(parts[0], targets[0], parts[1], targets[1])


def text() -> Split:
    words = LICENCE.read_text(encoding="utf-8")
    letters = sorted(set(words))
    codes = torch.tensor([letters.index(c) for c in words])
    windows = codes[: len(codes) // 33 * 33].view(-1, 33)
    cut = len(windows) * 4 // 5
    x, y = windows[:, :-1], windows[:, 1:]
    return Split(x[:cut], y[:cut], x[cut:], y[cut:])


def words() -> Split:
    """Which of three texts a window of characters is from."""
    texts = [p.read_text(encoding="utf-8")[:9000] for p in TEXTS]
    letters = sorted(set("".join(texts)))
    windows = [
        torch.tensor([letters.index(c) for c in t])[: len(t) // 24 * 24].view(-1, 24) for t in texts
    ]
    return parted(torch.cat(windows), torch.arange(3).repeat_interleave(len(windows[0])))


def series() -> Split:
    """Which of three frequencies a noisy wave has."""
    rng = torch.Generator().manual_seed(3)
    y = torch.randint(0, 3, (1000,), generator=rng)
    turn = (y + 1)[:, None] * 3 * torch.linspace(0, 1, 40) + torch.rand(1000, 1, generator=rng)
    noise = 0.3 * torch.randn(1000, 40, generator=rng)
    return parted((torch.sin(2 * math.pi * turn) + noise)[:, :, None], y)


def waves() -> Split:
    """The pitch of a noisy wave that three sensors record at different phases, standardised."""
    rng = torch.Generator().manual_seed(4)
    pitch = 1 + 3 * torch.rand(1000, 1, 1, generator=rng)
    turn = pitch * torch.linspace(0, 1, 24)[:, None] + torch.tensor([0.0, 0.25, 0.5])
    x = torch.sin(2 * math.pi * turn) + 0.2 * torch.randn(1000, 24, 3, generator=rng)
    return parted(x, (pitch.flatten() - 2.5) / math.sqrt(0.75))


def parted(x: Tensor, y: Tensor) -> Split:
    """Three quarters to train on, at random."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, val = order[: len(x) * 3 // 4], order[len(x) * 3 // 4 :]
    return Split(x[train], y[train], x[val], y[val])


class Recurrent(nn.Module):
    """A GRU over tokens or numbers, and a linear layer on its last state; [B, 3] logits, or [B]."""

    def __init__(
        self, tokens: int = 0, *, channels: int = 1, outputs: int = 3, batch_first: bool = True
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, 24) if tokens else nn.Identity()
        self.cells = nn.GRU(24 if tokens else channels, 32, batch_first=batch_first)
        self.head = nn.Linear(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out = self.head(self.cells(self.embed(x))[0][:, -1])
        return out if out.shape[1] > 1 else out.squeeze(1)


class Net(nn.Module):
    """Two hidden layers for the table; [B, 2] logits, or [B] numbers."""

    def __init__(self, inputs: int = 30, outputs: int = 2) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(inputs, 32), nn.Linear(32, 32)
        self.head = nn.Linear(32, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out = self.head(F.relu(self.second(F.relu(self.first(x)))))
        return out if out.shape[1] > 1 else out.squeeze(1)


class Chars(nn.Module):
    """One causal attention block over characters; [B, T, 128] logits."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(128, width), nn.Embedding(64, width)
        self.block = nn.TransformerEncoderLayer(width, 4, 64, 0.1, batch_first=True)
        self.head = nn.Linear(width, 128)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(n, device=x.device)
        h = self.letters(x) + self.places(torch.arange(n, device=x.device))
        return self.head(self.block(h, src_mask=mask, is_causal=True))


class TokenLoss(nn.Module):
    def forward(self, out: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(out.flatten(0, 1), y.flatten())


def scores(out: Tensor, y: Tensor) -> dict[str, Tensor]:
    return {"loss": out.float().mean()}


DIGITS = "bisector.recipes.digits"
KINDS: dict[str, Any] = {
    "image": (image, {"_target_": f"{DIGITS}.SmallCNN"}, {"_target_": f"{DIGITS}.CrossEntropy"}),
    "table": (
        table,
        {"_target_": "check_gallery.Net"},
        {"_target_": "torch.nn.CrossEntropyLoss"},
    ),
    "numbers": (
        numbers,
        {"_target_": "check_gallery.Net", "inputs": 10, "outputs": 1},
        {"_target_": "torch.nn.MSELoss"},
    ),
    "words": (
        words,
        {"_target_": "check_gallery.Recurrent", "tokens": 128},
        {"_target_": "torch.nn.CrossEntropyLoss"},
    ),
    "series": (
        series,
        {"_target_": "check_gallery.Recurrent"},
        {"_target_": "torch.nn.CrossEntropyLoss"},
    ),
    "waves": (
        waves,
        {"_target_": "check_gallery.Recurrent", "channels": 3, "outputs": 1},
        {"_target_": "torch.nn.MSELoss"},
    ),
    "text": (text, {"_target_": "check_gallery.Chars"}, {"_target_": "check_gallery.TokenLoss"}),
}

MODALITIES = {
    "image": "image", "table": "table", "numbers": "table",
    "words": "sequence", "series": "sequence", "waves": "sequence", "text": "sequence",
}  # fmt: skip
"""What a kind of data is: of each check a fault is shown in two of these, where it applies."""

SOURCE: list[Any] = []
"""What the next recipe reads: a configuration cannot hold tensors."""


def source() -> Any:
    return SOURCE[-1]


def recipe(kind: str, augment: Any = None, **changes: Any) -> dict[str, Any]:
    """A healthy recipe of a kind, with sections changed."""
    _, model, loss = KINDS[kind]
    cfg = {
        "data": {"source": {"_target_": "check_gallery.source"}},
        "model": dict(model),
        "loss": dict(loss),
        "metric": {"_target_": "check_gallery.scores", "_partial_": True},
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01},
        "trainer": {"epochs": 1, "batch_size": 32},
    }
    if augment:
        cfg["data"]["augment"] = augment
    for name, value in changes.items():
        cfg[name] = {**cfg.get(name, {}), **value}
    return cfg


def made(kind: str, rundir: Path, *, data: Any = None, seed: int = 0, **changes: Any) -> Parts:
    """The parts of a recipe; `data` is a `Split`, or anything with `train` and `val`."""
    given = data if data is not None else KINDS[kind][0]()
    SOURCE.append(given.sets() if isinstance(given, Split) else given)
    return build(OmegaConf.create(recipe(kind, **changes)), Run(rundir, seed))


def examined(parts: Parts) -> Diagnosis:
    """What the checks say of a recipe."""
    return examined_shown(of_recipe(parts))


def examined_shown(shown: Shown) -> Diagnosis:
    """What the checks say, from facts that went through JSON's bounds."""
    found = inspect(shown, torch.device("cpu"), Bounds())
    return diagnose(CATALOGUE, finite(found.facts), found.absent, Terms())


def warned(diagnosis: Diagnosis) -> list[str]:
    """The ids of the findings at warning or above, first to last."""
    return [f.check for f in diagnosis.findings if f.severity is not Severity.NOTE]


def first(diagnosis: Diagnosis) -> list[str]:
    """The id of the first finding of all; notes come last."""
    return [f.check for f in diagnosis.findings][:1]


class Wrapped(nn.Module):
    """A model with something done before or after it."""

    def __init__(self, model: nn.Module, *, before: Any = None, after: Any = None) -> None:
        super().__init__()
        self.model, self.before, self.after = model, before, after

    def forward(self, x: Tensor, **further: Any) -> Tensor:
        out = self.model(self.before(x) if self.before else x, **further)
        return self.after(out) if self.after else out


class LossOf(nn.Module):
    """A function as a loss."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, out: Tensor, y: Tensor) -> Tensor:
        return self.function(out, y)


class Wrong(torch.autograd.Function):
    """The square, with a backward pass that forgot the chain rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x**2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Halved(torch.autograd.Function):
    """The identity, with a gradient that is 10 % too small."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 0.9 * gradient


class SharedBuffer(Dataset[Any]):
    """Hands out one buffer for every sample, or for every third."""

    def __init__(self, x: Tensor, y: Tensor, every: int = 1) -> None:
        self.x, self.y, self.buffer, self.every = x, y, x[0].clone(), every

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        if i % self.every:
            return self.x[i], self.y[i]
        self.buffer.copy_(self.x[i])
        return self.buffer, self.y[i]


def copied(order: Any, batches: Any) -> Any:
    """An order that yields these batches of sample numbers, and ends."""
    made_up = copy.copy(order)
    ways = {
        "__iter__": lambda self: iter(batches),
        "__len__": lambda self: len(batches),
        "per_epoch": len(batches),
    }
    made_up.__class__ = type("Fixed", (type(order),), ways)
    return made_up
