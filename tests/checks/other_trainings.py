"""Six more trainings in which nothing is wrong, as other people write them."""

import math
from collections.abc import Callable

import torch
from bisector.recipes.charlm import PythonDocs
from strangers import Job, cnn, numbers, table, validate_the_mean
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR, OneCycleLR
from torch.utils.data import DataLoader, Subset


class Block(nn.Module):
    """A residual block with group norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(4, width), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.gelu(self.norm(x)))


def residual() -> Job:
    """A small ResNet with group norm, AdamW and one cycle by batches; shifts as augmentation."""
    job = cnn()
    job.model = nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), Block(24), nn.MaxPool2d(2), Block(24), Block(24),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10),
    )  # fmt: skip
    job.optimizer = torch.optim.AdamW(job.model.parameters(), 5e-3, weight_decay=0.05)
    job.scheduler = OneCycleLR(job.optimizer, 5e-3, job.epochs * len(job.loader))
    job.by_step = True
    job.criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    step = job.step
    job.step = lambda x, y: step(x.roll(int(torch.randint(-1, 2, ())), 3), y)
    return job


class Patches(nn.Module):
    """A vision transformer on patches of 2 x 2."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.cut, self.first = nn.Conv2d(1, width, 2, 2), nn.Parameter(torch.zeros(1, 1, width))
        self.place = nn.Parameter(0.02 * torch.randn(1, 17, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)  # fmt: skip
        self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.cut(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.first.expand(len(x), -1, -1), h], 1) + self.place
        return self.head(self.body(h)[:, 0])


def patches() -> Job:
    """Adam with a warm-up and a cosine by steps, clipped."""
    job = cnn()
    job.model = Patches()
    job.optimizer = torch.optim.Adam(job.model.parameters(), 2e-3, betas=(0.9, 0.98))
    total = job.epochs * len(job.loader)
    job.scheduler = LambdaLR(
        job.optimizer, lambda n: min((n + 1) / 15, 0.5 * (1 + math.cos(math.pi * n / total)))
    )
    job.by_step, job.clip = True, 1.0
    return job


def gathered() -> Job:
    """Batch norm and SiLU on a table; four small batches a step; SGD with restarts by epoch."""
    job = table()
    job.model = nn.Sequential(
        nn.Linear(30, 48), nn.BatchNorm1d(48), nn.SiLU(), nn.Dropout(0.1),
        nn.Linear(48, 48), nn.BatchNorm1d(48), nn.SiLU(), nn.Linear(48, 2),
    )  # fmt: skip
    job.loader = DataLoader(job.loader.dataset, 12, shuffle=True, drop_last=True)
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.05, 0.9, weight_decay=1e-3)
    job.scheduler = CosineAnnealingWarmRestarts(job.optimizer, 5)
    backward = job.backward
    job.backward = lambda loss: backward(loss / 4)
    job.zero = lambda: job.optimizer.zero_grad() if job.steps % 4 == 0 else None
    job.update = lambda: job.optimizer.step() if job.steps % 4 == 3 else None
    return job


class Letters(nn.Module):
    """A GRU over characters with tied weights."""

    def __init__(self, symbols: int, width: int = 64) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(symbols, width), nn.GRU(width, width, batch_first=True)
        nn.init.normal_(self.embed.weight, std=0.1)
        self.head = nn.Linear(width, symbols)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(self.embed(x))[0]).transpose(1, 2)


def letters() -> Job:
    """Characters by a GRU, NAdam, clipped."""
    job, data = Job(), PythonDocs()
    job.epochs = 4
    job.loader = DataLoader(Subset(data.train, range(1280)), 32, shuffle=True)
    job.val_loader = DataLoader(data.val, 256)
    job.model = Letters(len(data.symbols))
    job.optimizer = torch.optim.NAdam(job.model.parameters(), 4e-3)
    job.clip = 0.5
    return job


class Two(nn.Module):
    """A body, a head for the class, and one that draws the image again."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())  # fmt: skip
        self.head, self.draw = nn.Linear(32, 10), nn.Linear(32, 64)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        return torch.cat([self.head(h), self.draw(h)], 1) if self.training else self.head(h)


def two_tasks() -> Job:
    """A class, and the image again at a weight of a tenth; Adam, averaged weights for validation."""
    job = cnn()
    job.model = Two()
    job.optimizer = torch.optim.Adam(job.model.parameters(), 3e-3)
    job.scheduler = None
    step = job.step

    def both(x: Tensor, y: Tensor) -> float:
        job.loss = lambda out, y: (
            F.cross_entropy(out[:, :10], y) + 0.1 * F.mse_loss(out[:, 10:], x.flatten(1))
        )
        return step(x, y)

    job.step = both
    validate_the_mean(job, 0.9)
    return job


def robust() -> Job:
    """Numbers by a Huber loss and a scaled exponential unit, RMSprop with momentum."""
    job = numbers()
    job.model = nn.Sequential(nn.Linear(10, 32), nn.SELU(), nn.AlphaDropout(0.05), nn.Linear(32, 1))
    job.criterion = nn.HuberLoss()
    job.optimizer = torch.optim.RMSprop(job.model.parameters(), 1e-3, momentum=0.9)
    return job


OTHER_TRAININGS: dict[str, Callable[[], Job]] = {
    "residual": residual, "patches": patches, "gathered": gathered, "letters": letters,
    "two tasks": two_tasks, "robust": robust,
}  # fmt: skip
