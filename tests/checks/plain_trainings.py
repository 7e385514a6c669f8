"""Trainings in settings that are seldom and right: nothing is wrong in any.

SGD without momentum, a large rate behind a warm-up, four samples a batch, heavy augmentation, one
table for reading and writing, a table that is frozen on purpose, a long plateau, gathered gradients.
"""

from collections.abc import Callable

import torch
from bisector.recipes.charlm import PythonDocs
from bisector.recipes.digits import Digits
from bisector.recipes.tabular import BreastCancer
from strangers import ConvNet, Job, loaders
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Subset


def descent() -> Job:
    """A table: SGD as in the first lecture, no momentum and no schedule."""
    job, data = Job(), BreastCancer()
    job.epochs = 12
    job.loader, job.val_loader = loaders(data.train, data.val, 16)
    job.model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))  # fmt: skip
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.1)
    return job


def warmed() -> Job:
    """Images: a rate that is large for batch norm only, and behind a warm-up."""
    job, data = Job(), Digits()
    job.epochs = 8
    job.loader, job.val_loader = loaders(data.train, data.val, 100)
    job.model = ConvNet()
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.4, 0.9, weight_decay=1e-4)
    total = job.epochs * len(job.loader)
    job.scheduler = LambdaLR(job.optimizer, lambda n: min((n + 1) / 30, 1 - n / total))
    job.by_step = True
    return job


def fours() -> Job:
    """Pixels: four samples a batch, Adam with a rate that goes with it."""
    job, data = Job(), Digits()
    job.epochs = 3
    job.loader, job.val_loader = loaders(data.train, data.val, 4)
    job.model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))  # fmt: skip
    job.optimizer = torch.optim.Adam(job.model.parameters(), 5e-4)
    return job


class Augmented(Job):
    """Images are moved, darkened and blurred by noise before each step."""

    epochs = 14

    def augment(self, x: Tensor) -> Tensor:
        wide = F.pad(x, (1, 1, 1, 1))
        across, down = torch.randint(3, (2,)).tolist()
        x = wide[..., down : down + 8, across : across + 8]
        return x * (0.7 + 0.6 * torch.rand(len(x), 1, 1, 1)) + 0.15 * torch.randn_like(x)

    def step(self, x: Tensor, y: Tensor) -> float:
        return super().step(self.augment(x), y)


def augmented() -> Augmented:
    """Images: no normalisation, Adam."""
    job, data = Augmented(), Digits()
    job.loader, job.val_loader = loaders(data.train, data.val, 50)
    job.model = nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(2),
        nn.Flatten(), nn.Linear(192, 10),
    )  # fmt: skip
    job.optimizer = torch.optim.Adam(job.model.parameters(), 2e-3)
    return job


class Tied(nn.Module):
    """A causal transformer that writes with the table by which it reads; [B, symbols, T]."""

    def __init__(self, symbols: int, width: int = 48) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        self.place = nn.Parameter(0.02 * torch.randn(32, width))
        layer = nn.TransformerEncoderLayer(width, 4, 96, 0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, symbols)
        self.head.weight = self.embed.weight

    def between(self, h: Tensor) -> Tensor:
        """What is done with the embedded text before the layers."""
        return h

    def forward(self, x: Tensor) -> Tensor:
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        h = self.between(self.embed(x) + self.place[: x.shape[1]])
        return self.head(self.body(h, mask=later)).transpose(1, 2)


def text(job: Job, seed: int, pieces: int) -> int:
    """Give a job a part of the text; the number of its symbols."""
    data = PythonDocs()
    chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))[:pieces]
    job.loader, job.val_loader = loaders(Subset(data.train, chosen.tolist()), data.val, 32)
    return len(data.symbols)


def tied() -> Job:
    """Text: one table for reading and writing, AdamW."""
    job = Job()
    job.epochs = 4
    job.model = Tied(text(job, 5, 1600))
    job.optimizer = torch.optim.AdamW(job.model.parameters(), 3e-3, weight_decay=0.05)
    total = job.epochs * len(job.loader)
    job.scheduler = LambdaLR(job.optimizer, lambda n: min((n + 1) / 15, 1 - n / total))
    job.by_step, job.clip = True, 1.0
    return job


class Codes(nn.Module):
    """A recurrent net over codes that are drawn once and stay; [B, symbols, T]."""

    def __init__(self, symbols: int, width: int = 64) -> None:
        super().__init__()
        self.codes = nn.Embedding(symbols, 40)
        self.codes.weight.requires_grad_(False)
        self.rnn, self.head = nn.GRU(40, width, batch_first=True), nn.Linear(width, symbols)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.codes(x))[0]).transpose(1, 2)


def codes() -> Job:
    """Text: an embedding that is frozen on purpose."""
    job = Job()
    job.epochs = 4
    job.model = Codes(text(job, 6, 1600))
    learnt = [p for p in job.model.parameters() if p.requires_grad]
    job.optimizer = torch.optim.Adam(learnt, 8e-3)
    total = job.epochs * len(job.loader)
    job.scheduler, job.by_step = LambdaLR(job.optimizer, lambda n: 1 - n / total), True
    return job


def plateau() -> Job:
    """Pixels: three layers of sigmoids, which stay at chance for a while."""
    job, data = Job(), Digits()
    job.epochs = 24
    job.loader, job.val_loader = loaders(data.train, data.val, 32)
    job.model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, 48), nn.Sigmoid(), nn.Linear(48, 10))  # fmt: skip
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.1, 0.9)
    return job


class Gathered(Job):
    """Eight batches of eight make a step."""

    many, epochs = 8, 5

    def begin_epoch(self) -> None:
        super().begin_epoch()
        self.gathered = 0

    def zero(self) -> None:
        if self.gathered == 0:
            self.optimizer.zero_grad()

    def backward(self, loss: Tensor) -> None:
        super().backward(loss / self.many)

    def update(self) -> None:
        self.gathered += 1
        if self.gathered == self.many:
            self.optimizer.step()
            self.gathered = 0


def eights() -> Gathered:
    """Images: group norm, NAdam."""
    job, data = Gathered(), Digits()
    job.loader, job.val_loader = loaders(data.train, data.val, 8)
    job.model = blocks()
    job.optimizer = torch.optim.NAdam(job.model.parameters(), 5e-3)
    return job


def blocks() -> nn.Sequential:
    """The net of the training above."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32), nn.ReLU(),
        nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32), nn.ReLU(),
        nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


PLAIN: dict[str, Callable[[], Job]] = {
    "descent": descent, "warmed": warmed, "fours": fours, "augmented": augmented,
    "tied": tied, "codes": codes, "plateau": plateau, "eights": eights,
}  # fmt: skip
"""Healthy trainings by name."""
