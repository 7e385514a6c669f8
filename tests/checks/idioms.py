"""Trainings in idioms that are far from the usual loop: nothing is wrong in any.

A trainer with callbacks, functions and a dictionary of parameters, a closure for the optimizer, an
endless generator of batches, arrays of numpy, a cell in a loop of its own with an optimizer of its
own, averaged weights over gathered batches, and a text that is read on from batch to batch.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from bisector.recipes.digits import Digits
from bisector.recipes.tabular import BreastCancer
from sklearn.datasets import load_digits
from strangers import Job, Regression, loaders, numbers
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

from bisector.train.run import Run


class Script(Job):
    """What all of these share: the parts are shown, and a validation is written down."""

    def show(self, run: Run) -> None:
        """The only line of ours."""
        run.watch(
            self.model, self.optimizer, loss=self.criterion,
            loader=self.loader, val_loader=self.val_loader,
        )  # fmt: skip

    def write(self, run: Run) -> None:
        """A validation."""
        self.begin_validation()
        for name, value in self.validate().items():
            run.log(self.steps, **{name: value})


# --- a trainer with callbacks -------------------------------------------------------------------


class Apart(nn.Module):
    """Depthwise and pointwise convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.LeakyReLU(0.1))  # fmt: skip
        self.deep, self.point = nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.Conv2d(24, 48, 1)
        self.norm, self.drop, self.head = nn.BatchNorm2d(48), nn.Dropout(0.1), nn.Linear(48 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = F.avg_pool2d(self.stem(x), 2)
        h = F.leaky_relu(self.norm(self.point(self.deep(h))), 0.1)
        return self.head(self.drop(F.max_pool2d(h, 2).flatten(1)))


class Trainer(Script):
    """`fit`, and lists of callbacks by moment."""

    def __init__(self) -> None:
        super().__init__()
        self.callbacks: dict[str, list[Callable[[Trainer], None]]] = {
            "batch": [], "gradient": [], "step": [], "epoch": []
        }  # fmt: skip
        self.batch: tuple[Tensor, Tensor] = (torch.empty(0), torch.empty(0))
        self.stop = False
        self.found: dict[str, float] = {}

    def call(self, moment: str) -> None:
        for callback in self.callbacks[moment]:
            callback(self)

    def train(self, run: Run) -> None:
        self.show(run)
        for _ in range(self.epochs):
            self.model.train()
            for batch in self.loader:
                self.batch = batch
                self.call("batch")
                self.optimizer.zero_grad(set_to_none=True)
                loss = self.loss(self.model(self.batch[0]), self.batch[1])
                self.backward(loss)
                self.call("gradient")
                self.optimizer.step()
                self.steps += 1
                run.log(self.steps, loss=loss.item())
                self.call("step")
            self.write(run)
            self.call("epoch")
            if self.stop:
                break


def trainer() -> Trainer:
    """Images, Adam, one cycle."""
    job, data = Trainer(), Digits()
    job.loader, job.val_loader = loaders(data.train, data.val, 63)
    job.model = Apart()
    job.optimizer = torch.optim.Adam(job.model.parameters(), 1e-3)
    cycle = OneCycleLR(job.optimizer, 1e-2, job.epochs * len(job.loader))
    job.callbacks["step"].append(lambda trainer: cycle.step())
    return job


# --- functions ----------------------------------------------------------------------------------


class Functions(Script):
    """A dictionary of parameters, the gradient of a function of it, and momentum in a third."""

    rate, momentum, epochs = 0.05, 0.9, 12

    def begin(self) -> None:
        self.weights = dict(self.model.named_parameters())
        self.moved = {name: torch.zeros_like(p) for name, p in self.weights.items()}

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.weights, torch.autograd.grad(loss, [*self.weights.values()]), strict=True))  # fmt: skip

    @torch.no_grad()
    def move(self, gradients: dict[str, Tensor]) -> None:
        for name, g in gradients.items():
            self.moved[name].mul_(self.momentum).add_(g)
            self.weights[name].sub_(self.rate * self.moved[name])

    def step(self, x: Tensor, y: Tensor) -> float:
        loss = self.loss(functional_call(self.model, self.weights, (x,)), y)
        self.move(self.gradients(loss))
        return loss.item()

    def train(self, run: Run) -> None:
        self.show(run)
        self.begin()
        for _ in range(self.epochs):
            for x, y in self.loader:
                loss = self.step(x, y)
                self.steps += 1
                run.log(self.steps, loss=loss)
                self.after_step()
            self.write(run)


def functions() -> Functions:
    """A table, momentum by hand."""
    job, data = Functions(), BreastCancer()
    job.loader, job.val_loader = loaders(data.train, data.val, 24)
    job.model = nn.Sequential(nn.Linear(30, 40), nn.GELU(), nn.LayerNorm(40), nn.Linear(40, 20), nn.GELU(), nn.Linear(20, 2))  # fmt: skip
    job.optimizer = None
    return job


# --- a closure ----------------------------------------------------------------------------------


class Closed(Regression, Script):
    """The optimizer is given a function that does the rest."""

    def closure(self, x: Tensor, y: Tensor) -> Callable[[], Tensor]:
        def close() -> Tensor:
            self.zero()
            loss = self.loss(self.model(x), y)
            self.backward(loss)
            return loss

        return close

    def train(self, run: Run) -> None:
        self.show(run)
        for _ in range(self.epochs):
            self.model.train()
            for x, y in self.loader:
                loss = self.optimizer.step(self.closure(x, y))
                self.steps += 1
                run.log(self.steps, loss=loss.item())
            self.write(run)


def closed() -> Closed:
    """A number from a table: Adamax, Huber's loss, skips."""
    job, usual = Closed(), numbers()
    job.epochs, job.loader, job.val_loader = 12, usual.loader, usual.val_loader
    job.model = nn.Sequential(nn.Linear(10, 40), nn.ELU(), nn.Linear(40, 24), nn.ELU(), nn.Linear(24, 1))  # fmt: skip
    job.criterion = nn.HuberLoss()
    job.optimizer = torch.optim.Adamax(job.model.parameters(), 5e-3)
    return job


# --- arrays -------------------------------------------------------------------------------------


class Arrays:
    """Batches cut from arrays in a new order every time."""

    def __init__(self, x: np.ndarray, y: np.ndarray, size: int) -> None:
        self.x, self.y, self.size = x, y, size

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.random.default_rng(int(torch.randint(2**31, ()))).permutation(len(self.x))
        for n in range(len(self)):
            yield self.pair(order[n * self.size : (n + 1) * self.size])

    def pair(self, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.x[chosen]), torch.from_numpy(self.y[chosen])


def arrays() -> Job:
    """Pixels as a table, SGD, a rate that falls by a power."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order]
    job = Job()
    job.epochs = 10
    job.loader, job.val_loader = Arrays(x[:1200], y[:1200], 40), Arrays(x[1200:], y[1200:], 200)
    job.model = nn.Sequential(
        nn.Linear(64, 96), nn.BatchNorm1d(96), nn.Mish(), nn.Dropout(0.1),
        nn.Linear(96, 48), nn.BatchNorm1d(48), nn.Mish(), nn.Linear(48, 10),
    )  # fmt: skip
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.1, 0.9)
    total = job.epochs * len(job.loader)
    job.scheduler = LambdaLR(job.optimizer, lambda n: max(1 - n / total, 0) ** 0.9)
    job.by_step = True
    return job
