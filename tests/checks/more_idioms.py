"""More of the trainings in other idioms: texts and series, and averaged weights."""

import copy
import math
from collections.abc import Callable, Iterator

import torch
from bisector.recipes.charlm import PythonDocs
from bisector.recipes.digits import Digits
from idioms import Script, arrays, closed, functions, trainer
from strangers import Job, loaders
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Subset

from bisector.train.run import Run

# --- an endless generator -----------------------------------------------------------------------


class Layer(nn.Module):
    """Attention by its formula, with norms behind."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out, self.feed = nn.Linear(width, width), nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))  # fmt: skip
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, h: Tensor, hidden: Tensor) -> Tensor:
        q, k, v = (f(h).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))  # fmt: skip
        seen = (self.scale * q @ k.transpose(-1, -2)).masked_fill(hidden, -math.inf).softmax(-1) @ v
        h = self.first(h + self.out(seen.transpose(1, 2).flatten(2)))
        return self.second(h + self.feed(h))


class Speaker(nn.Module):
    """A transformer over characters; [B, symbols, T] logits."""

    def __init__(self, symbols: int, width: int = 48) -> None:
        super().__init__()
        self.embed, self.drop = nn.Embedding(symbols, width), nn.Dropout(0.05)
        self.place = nn.Parameter(0.1 * torch.randn(32, width))
        self.layers = nn.ModuleList(Layer(width, 4) for _ in range(2))
        self.head = nn.Linear(width, symbols)

    def hidden(self, x: Tensor) -> Tensor:
        """What no place may see: [T, T], or of each sample [B, 1, T, T]."""
        return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.drop(self.embed(x) + self.place[: x.shape[1]])
        for layer in self.layers:
            h = layer(h, self.hidden(x))
        return self.head(h).transpose(1, 2)


class Endless(Script):
    """So many steps, a rate by formula, a validation now and then."""

    total, peak, every = 200, 3e-3, 40

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def rate(self, step: int) -> float:
        return self.peak * min((step + 1) / 20, 0.5 * (1 + math.cos(math.pi * step / self.total)))

    def train(self, run: Run) -> None:
        self.show(run)
        for number, (x, y) in zip(range(self.total), self.batches(), strict=False):
            self.steps = number
            self.model.train()
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(self.steps)
            run.log(self.steps, loss=self.step(x, y))
            if self.steps % self.every == self.every - 1:
                self.write(run)


def endless() -> Endless:
    """Text, AdamW."""
    job, data = Endless(), PythonDocs()
    chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(3))[:2000]
    job.loader, job.val_loader = loaders(Subset(data.train, chosen.tolist()), data.val, 32)
    job.model = Speaker(len(data.symbols))
    job.optimizer = torch.optim.AdamW(job.model.parameters(), 3e-3, betas=(0.9, 0.95))
    job.clip = 1.0
    return job


# --- a cell in a loop ---------------------------------------------------------------------------


class Signed(torch.optim.Optimizer):
    """The sign of a mean of gradients, with decay (as in Lion)."""

    def __init__(self, params, lr: float, beta: float = 0.9, decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "decay": decay})

    def key(self, p: Tensor) -> object:
        """Where the mean of a parameter is kept."""
        return p

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                kept = self.state[self.key(p)]
                mean = kept.setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["beta"])
                self.move(p, mean, group)

    def move(self, p: Tensor, mean: Tensor, group: dict[str, float]) -> None:
        p.mul_(1 - group["lr"] * group["decay"]).sub_(group["lr"] * mean.sign())


class Columns(nn.Module):
    """A cell reads an image column by column; the mean of its states decides."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(8, width), nn.Linear(width, 10)

    def between(self, state: Tensor) -> Tensor:
        """What is done with a state before the next column."""
        return state

    def forward(self, x: Tensor) -> Tensor:
        state, states = x.new_zeros(len(x), self.cell.hidden_size), []
        for column in x[:, 0].unbind(2):
            state = self.cell(column, self.between(state))
            states.append(state)
        return self.head(torch.stack(states).mean(0))


def cells() -> Job:
    """Series, an optimizer of one's own."""
    job, data = Job(), Digits()
    job.epochs = 16
    job.loader, job.val_loader = loaders(data.train, data.val, 48)
    job.model = Columns()
    job.optimizer = Signed(job.model.parameters(), 2e-3)
    total = job.epochs * len(job.loader)
    job.scheduler, job.by_step = LambdaLR(job.optimizer, lambda n: 1 - n / total), True
    return job


# --- averaged weights ---------------------------------------------------------------------------


class Averaged(Job):
    """Two batches a step; a copy follows the weights, and is what is validated."""

    follow = 0.1

    def ready(self) -> Job:
        self.copy = copy.deepcopy(self.model)
        return self

    def zero(self) -> None:
        if self.steps % 2 == 0:
            self.optimizer.zero_grad()

    def backward(self, loss: Tensor) -> None:
        (loss / 2).backward()

    def update(self) -> None:
        if self.steps % 2 == 1:
            self.optimizer.step()
            self.average()

    @torch.no_grad()
    def average(self) -> None:
        for mean, p in zip(self.copy.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(p, self.follow)
        for mean, p in zip(self.copy.buffers(), self.model.buffers(), strict=True):
            mean.copy_(p)

    def validate(self) -> dict[str, float]:
        self.copy.eval()
        model, self.model = self.model, self.copy
        found = super().validate()
        self.model = model
        return found


def averaged() -> Averaged:
    """Images: a plain net, Nesterov's momentum."""
    job, data = Averaged(), Digits()
    job.loader, job.val_loader = loaders(data.train, data.val, 24)
    job.model = nn.Sequential(
        nn.Conv2d(1, 20, 3, padding=1), nn.BatchNorm2d(20), nn.ReLU(),
        nn.Conv2d(20, 20, 3, stride=2, padding=1), nn.BatchNorm2d(20), nn.ReLU(),
        nn.Conv2d(20, 40, 3, stride=2, padding=1), nn.BatchNorm2d(40), nn.ReLU(),
        nn.Flatten(), nn.Linear(160, 10),
    )  # fmt: skip
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.03, 0.9, nesterov=True)
    return job.ready()


# --- a text read on -----------------------------------------------------------------------------


class Streams:
    """Thirty-two places in a text, read on in pieces of 24 characters, in order."""

    def __init__(self, text: Tensor, pieces: int, streams: int = 32, length: int = 24) -> None:
        size = pieces * length + 1
        self.text, self.pieces, self.length = text[: streams * size].view(streams, size), pieces, length  # fmt: skip

    def __len__(self) -> int:
        return self.pieces

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for n in range(0, self.pieces * self.length, self.length):
            piece = self.text[:, n : n + self.length + 1]
            yield piece[:, :-1], piece[:, 1:]


class Memory(nn.Module):
    """Logits [B, symbols, T], and the state."""

    def __init__(self, symbols: int, width: int = 64) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(symbols, 32), nn.LSTM(32, width, batch_first=True)
        self.head = nn.Linear(width, symbols)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None):
        h, state = self.rnn(self.embed(x), state)
        return self.head(h).transpose(1, 2), (h, state)


def of_logits(out: tuple[Tensor, object], y: Tensor) -> Tensor:
    """Cross-entropy of the first of what comes out."""
    return F.cross_entropy(out[0], y)


class ReadOn(Script):
    """The state goes on, without its history."""

    epochs = 4

    def train(self, run: Run) -> None:
        self.show(run)
        for _ in range(self.epochs):
            self.model.train()
            state = None
            for x, y in self.loader:
                self.optimizer.zero_grad()
                out = self.model(x, state)
                loss = self.loss(out, y)
                self.backward(loss)
                self.update()
                state = tuple(part.detach() for part in out[1][1])
                self.steps += 1
                run.log(self.steps, loss=loss.item())
            self.write(run)

    def metric(self, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        return super().metric([(out[0], y) for out, y in pairs])


def read_on() -> ReadOn:
    """Text, RAdam, clipped."""
    job, data = ReadOn(), PythonDocs()
    train = data.train.pieces[::2].flatten()
    job.loader, job.val_loader = Streams(train, 60), Streams(data.val.pieces.flatten(), 4)
    job.model = Memory(len(data.symbols))
    job.criterion, job.clip = of_logits, 1.0
    job.optimizer = torch.optim.RAdam(job.model.parameters(), 1e-2)
    return job


IDIOMS: dict[str, Callable[[], Job]] = {
    "trainer": trainer, "functions": functions, "closed": closed, "endless": endless,
    "arrays": arrays, "cells": cells, "averaged": averaged, "reading": read_on,
}  # fmt: skip
"""Healthy trainings by name."""
