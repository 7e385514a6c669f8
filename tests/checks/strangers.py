"""Trainings as other people write them: plain PyTorch, an optimizer of their own taste, one loop.

Five kinds of model on real data that comes with scikit-learn or Python. A `Job` holds what such a
script holds in its variables, so that one slip can be put into it: a part replaced, or a line of
the loop. The only line of ours is `run.watch`.
"""

import math
from collections.abc import Callable

import torch
from bisector.recipes.charlm import PythonDocs
from bisector.recipes.digits import Digits
from bisector.recipes.tabular import BreastCancer
from sklearn.datasets import load_diabetes
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR
from torch.utils.data import DataLoader, Subset, TensorDataset

from bisector.train.run import Run


class Job:
    """One training; every method is a few lines of the usual script."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loader: DataLoader[tuple[Tensor, ...]]
    val_loader: DataLoader[tuple[Tensor, ...]]
    criterion: nn.Module = nn.CrossEntropyLoss()
    scheduler: LRScheduler | None = None
    by_step = False
    """The schedule counts steps, and not epochs."""
    clip: float | None = None
    epochs = 6

    def __init__(self) -> None:
        self.steps = 0

    def train(self, run: Run) -> None:
        """The script's main."""
        run.watch(
            self.model, self.optimizer, loss=self.criterion,
            loader=self.loader, val_loader=self.val_loader,
        )  # fmt: skip
        run.facts(planned_steps=self.epochs * len(self.loader))
        for _ in range(self.epochs):
            self.begin_epoch()
            for x, y in self.loader:
                loss = self.step(x, y)
                self.steps += 1
                self.after_step()
                run.log(self.steps, loss=loss)
            self.end_epoch()
            self.begin_validation()
            for name, value in self.validate().items():
                run.log(self.steps, **{name: value})

    def begin_epoch(self) -> None:
        """What is done before the first batch."""
        self.model.train()

    def step(self, x: Tensor, y: Tensor) -> float:
        """One batch."""
        self.zero()
        loss = self.loss(self.model(x), y)
        self.backward(loss)
        self.update()
        return loss.item()

    def zero(self) -> None:
        """Forget the last gradient."""
        self.optimizer.zero_grad()

    def loss(self, out: Tensor, y: Tensor) -> Tensor:
        """What is minimised."""
        value: Tensor = self.criterion(out, y)
        return value

    def backward(self, loss: Tensor) -> None:
        """The gradient, clipped."""
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)

    def update(self) -> None:
        """Move the weights."""
        self.optimizer.step()

    def after_step(self) -> None:
        """What is done behind each batch."""
        if self.scheduler is not None and self.by_step:
            self.scheduler.step()

    def end_epoch(self) -> None:
        """What is done behind the last batch."""
        if self.scheduler is not None and not self.by_step:
            self.scheduler.step()

    def begin_validation(self) -> None:
        """What is done before the validation."""
        self.model.eval()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss and the accuracy on what was held out."""
        pairs = [(self.model(x), y) for x, y in self.val_loader]
        losses = torch.stack([self.criterion(out, y) for out, y in pairs])
        return {"val_loss": losses.mean().item()} | self.metric(pairs)

    def metric(self, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """The share of classes that are right."""
        right = torch.cat([(out.argmax(1) == y).float().flatten() for out, y in pairs])
        return {"val_acc": right.mean().item()}


class ConvNet(nn.Module):
    """Two convolutions with batch norm, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.fc1, self.drop, self.fc2 = nn.Linear(128, 64), nn.Dropout(0.2), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        logits: Tensor = self.fc2(self.drop(F.relu(self.fc1(x.flatten(1)))))
        return logits


class Reader(nn.Module):
    """A small causal transformer of torch's own layers; [B, symbols, T] logits."""

    def __init__(self, symbols: int, width: int = 48, length: int = 32) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(symbols, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, 4, 96, 0.1, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)
        for table in (self.embed, self.place):
            nn.init.normal_(table.weight, std=0.05)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        h = self.embed(x) + self.place(torch.arange(length))
        logits: Tensor = self.head(self.norm(self.body(h, mask=mask, is_causal=True)))
        return logits.transpose(1, 2)


class Rows(nn.Module):
    """A recurrent net that reads an image row by row."""

    def __init__(self, cell: type[nn.RNNBase] = nn.LSTM, width: int = 48, step: int = 8) -> None:
        super().__init__()
        self.step = step
        self.rnn, self.head = cell(step, width, batch_first=True), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.rnn(x.view(len(x), -1, self.step))[0][:, -1])
        return logits


class Around(nn.Module):
    """A module inside of a line of somebody's code."""

    def __init__(self, inner: nn.Module, line: Callable[..., object]) -> None:
        super().__init__()
        self.inner, self.line = inner, line

    def forward(self, *args: object, **kwargs: object) -> object:
        return self.line(self.inner, *args, **kwargs)


def loaders(
    train: TensorDataset | Subset[tuple[Tensor, ...]], val: TensorDataset, batch: int
) -> tuple[DataLoader[tuple[Tensor, ...]], DataLoader[tuple[Tensor, ...]]]:
    """A shuffled one and a plain one."""
    return DataLoader(train, batch, shuffle=True), DataLoader(val, 256)


def cnn() -> Job:
    """Images: SGD with momentum and a cosine over the epochs."""
    job, data = Job(), Digits()
    job.loader, job.val_loader = loaders(data.train, data.val, 64)
    job.model = ConvNet()
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.05, 0.9, weight_decay=5e-4)
    job.scheduler = CosineAnnealingLR(job.optimizer, job.epochs)
    return job


def char() -> Job:
    """Text: AdamW with a warm-up by steps."""
    job, data = Job(), PythonDocs()
    job.epochs = 4
    chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:1280]
    job.loader, job.val_loader = loaders(Subset(data.train, chosen.tolist()), data.val, 32)
    job.model = Reader(len(data.symbols))
    job.optimizer = torch.optim.AdamW(job.model.parameters(), 2e-3, weight_decay=0.01)
    job.scheduler = LambdaLR(job.optimizer, lambda n: min(1.0, (n + 1) / 20))
    job.by_step, job.clip = True, 1.0
    return job


def table() -> Job:
    """A table: Adam, and a rate that falls once."""
    job, data = Job(), BreastCancer()
    job.epochs = 15
    job.loader, job.val_loader = loaders(data.train, data.val, 32)
    job.model = nn.Sequential(
        nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )
    job.optimizer = torch.optim.Adam(job.model.parameters(), 1e-3)
    job.scheduler = StepLR(job.optimizer, 10, 0.3)
    return job


class Regression(Job):
    """Numbers as targets: the metric is the share of variance that is explained."""

    criterion: nn.Module = nn.MSELoss()

    def metric(self, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """One less the error over the variance."""
        out, y = (torch.cat(part) for part in zip(*pairs, strict=True))
        return {"val_acc": 1 - (F.mse_loss(out, y) / y.var()).item()}


def numbers() -> Job:
    """A table with a number to be foretold: Nesterov's momentum."""
    job = Regression()
    x, y = (torch.tensor(a, dtype=torch.float32) for a in load_diabetes(return_X_y=True, scaled=False))  # fmt: skip
    x, y = (x - x[:300].mean(0)) / x[:300].std(0), ((y - y[:300].mean()) / y[:300].std())[:, None]
    job.epochs = 15
    job.loader, job.val_loader = loaders(TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:]), 32)  # fmt: skip
    job.model = nn.Sequential(nn.Linear(10, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))  # fmt: skip
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.01, 0.9, nesterov=True)
    return job


def rnn() -> Job:
    """Series: RMSprop, clipped."""
    job, data = Job(), Digits()
    job.epochs = 8
    job.loader, job.val_loader = loaders(data.train, data.val, 64)
    job.model = Rows()
    job.optimizer = torch.optim.RMSprop(job.model.parameters(), 2e-3)
    job.scheduler = LambdaLR(job.optimizer, lambda n: 0.5 * (1 + math.cos(math.pi * n / 8)))
    job.clip = 1.0
    return job


KINDS: dict[str, Callable[[], Job]] = {
    "cnn": cnn, "char": char, "table": table, "numbers": numbers, "rnn": rnn,
}  # fmt: skip
"""Healthy trainings by name."""


def validate_the_mean(job: Job, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """Validate a moving average of the weights, as many scripts do; that average."""
    mean = torch.optim.swa_utils.AveragedModel(
        job.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
    )
    update, model, validate = job.update, job.model, job.validate
    job.update = lambda: (update(), mean.update_parameters(model))

    def averaged() -> dict[str, float]:
        mean.eval()
        job.model = mean
        found = validate()
        job.model = model
        return found

    job.validate = averaged
    return mean
