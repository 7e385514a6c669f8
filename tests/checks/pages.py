"""Scripts of a page, each one function with `run.watch` in it: nothing is wrong in any.

Their pieces are arguments, so that a fault can take the place of one.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from bisector.recipes.charlm import PythonDocs
from bisector.recipes.digits import Digits
from sklearn.datasets import load_diabetes, load_wine
from strangers import Job
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from bisector.train.run import Run
from bisector.train.watching import Seen

Pair = tuple[Tensor, Tensor]


class Shown(Run):
    """Ends a script where it shows its parts."""

    def watch(self, *parts: Any, **named: Any) -> None:
        raise Seen((*parts, named))


class Page(Job):
    """A script in one function, and the pieces that are put in the place of its own."""

    def __init__(self, script: Callable[..., None]) -> None:
        self.script, self.swapped = script, {}

    def train(self, run: Run) -> None:
        self.script(run, **self.swapped)

    def part(self, name: str) -> Any:
        """What the script shows under a name."""
        if "parts" not in self.__dict__:
            try:
                self.script(Shown.__new__(Shown), **self.swapped)
            except Seen as seen:
                model, optimizer, named = seen.shown
                self.parts = {"model": model, "optimizer": optimizer, **named}
        return self.parts[name]

    model = property(lambda self: self.part("model"))
    optimizer = property(lambda self: self.part("optimizer"))
    criterion = property(lambda self: self.part("loss"))
    loader = property(lambda self: self.part("loader"))
    val_loader = property(lambda self: self.part("val_loader"))


def same(x: Any, *_: Any) -> Any:
    """A step that does nothing."""
    return x


@torch.no_grad()
def scored(model: nn.Module, criterion: Callable[..., Tensor], loader: Any) -> dict[str, float]:
    """Mean loss and accuracy of classes in the second dimension."""
    pairs = [(model(x), y) for x, y in loader]
    loss = sum(criterion(out, y).item() for out, y in pairs) / len(pairs)
    right = torch.cat([(out.argmax(1) == y).float().flatten() for out, y in pairs])
    return {"val_loss": loss, "val_acc": right.mean().item()}


# --- wine: a table standardised where batches are put together ------------------------------------


def bottles() -> tuple[list[Pair], list[Pair]]:
    """Two thirds of the wines, and one third."""
    x, y = (torch.tensor(part) for part in load_wine(return_X_y=True))
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    pairs = [(x[i].float(), y[i]) for i in order]
    return pairs[:118], pairs[118:]


def standardise(pairs: list[Pair]) -> Callable[[list[Pair]], Pair]:
    """Puts batches together, by the mean and the deviation of these samples."""
    x = torch.stack([x for x, _ in pairs])
    mean, std = x.mean(0), x.std(0)

    def collate(batch: list[Pair]) -> Pair:
        return (torch.stack([x for x, _ in batch]) - mean) / std, torch.stack([y for _, y in batch])

    return collate


def wine(run: Run, collate: Any = same, after: Any = same, schedule: Any = None, epochs: int = 15) -> None:  # fmt: skip
    train, val = bottles()
    together = standardise(train)
    loader = DataLoader(train, 10, shuffle=True, drop_last=True, collate_fn=collate(together))
    val_loader = DataLoader(val, 60, collate_fn=together)
    net = nn.Sequential(
        nn.Linear(13, 24), nn.BatchNorm1d(24), nn.LeakyReLU(0.1), nn.Linear(24, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 3),
    )  # fmt: skip
    optimizer = torch.optim.Adamax(net.parameters(), 0.01)
    net = after(net, optimizer)
    steps = epochs * len(loader)
    scheduler = (schedule or CosineAnnealingLR)(optimizer, steps)
    criterion = nn.CrossEntropyLoss()
    run.watch(net, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
    run.facts(planned_steps=steps)
    step = 0
    for _ in range(epochs):
        net.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            step += 1
            run.log(step, loss=loss.item())
        net.eval()
        run.log(step, **scored(net, criterion, val_loader))


# --- patches: a vision transformer with one cycle of the rate -------------------------------------


class Patches(nn.Module):
    """Sixteen patches of four pixels and a token that the class is read from."""

    def __init__(self, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, width, 2, stride=2)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.place = nn.Parameter(0.02 * torch.randn(1, 17, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width), enable_nested_tensor=False)  # fmt: skip
        self.head = nn.Linear(width, 10)
        self.mask: Tensor | None = None

    def features(self, x: Tensor) -> Tensor:
        h = self.cut(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.token.expand(len(h), -1, -1), h], 1) + self.place
        return self.encoder(h, mask=self.mask)[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def patches(run: Run, model: Any = Patches, cycle: Any = None, batch: Any = same, epochs: int = 9) -> None:  # fmt: skip
    data = Digits()
    loader = DataLoader(data.train, 32, shuffle=True)
    val_loader = DataLoader(data.val, 200)
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.02)
    steps = epochs * len(loader)
    scheduler = OneCycleLR(optimizer, **(cycle or {"max_lr": 4e-3, "total_steps": steps}))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    run.watch(net, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
    run.facts(planned_steps=steps)
    step = 0
    for _ in range(epochs):
        net.train()
        for pair in loader:
            x, y = batch(pair)
            loss = criterion(net(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            step += 1
            run.log(step, loss=loss.item())
        net.eval()
        run.log(step, **scored(net, criterion, val_loader))


# --- waves: a gated recurrent net foretells a series ----------------------------------------------


def windows(seed: int, many: int) -> TensorDataset:
    """Pieces of 24 values of two waves and noise, and the value behind each; standardised."""
    rng = torch.Generator().manual_seed(seed)
    t = torch.rand(many, 1, generator=rng) * 500 + torch.arange(25)
    series = (
        (t * 0.9).sin() + 0.6 * (t * 0.37 + 1).sin() + 0.1 * torch.randn(t.shape, generator=rng)
    )
    return TensorDataset(series[:, :24, None], series[:, 24:])


class Foretell(nn.Module):
    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.rnn, self.out = nn.GRU(1, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0][:, -1])


def waves(run: Run, model: Any = Foretell, rate: float = 3e-3, batches: Any = iter, epochs: int = 8, many: int = 800) -> None:  # fmt: skip
    loader = DataLoader(windows(1, many), 16, shuffle=True)
    val_loader = DataLoader(windows(2, 300), 100)
    net, criterion = model(), nn.MSELoss()
    optimizer = torch.optim.RMSprop(net.parameters(), rate)
    run.watch(net, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
    run.facts(planned_steps=epochs * len(loader))
    step = 0
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.7 ** (8 * epoch / epochs)
        for x, y in batches(loader):
            loss = criterion(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            run.log(step, loss=loss.item())
        with torch.no_grad():
            held = [(net(x), y) for x, y in val_loader]
        loss = sum(criterion(out, y).item() for out, y in held) / len(held)
        spread = torch.cat([y for _, y in held]).var().item()
        run.log(step, val_loss=loss, val_acc=1 - loss / spread)


# --- sentences: a recurrent net with one table ----------------------------------------------------


class Sentences(nn.Module):
    """Reads and writes by one table; [B, symbols, T] logits."""

    def __init__(self, symbols: int, width: int = 64) -> None:
        super().__init__()
        self.read, self.write = nn.Embedding(symbols, width), nn.Linear(width, symbols)
        nn.init.normal_(self.read.weight, std=0.1)
        self.write.weight = self.read.weight
        self.rnn = nn.GRU(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.write(self.rnn(self.read(x))[0]).transpose(1, 2)


def sentences(run: Run, after: Any = same, clip: float = 0.5, loss_of: Any = None, shown: Any = scored) -> None:  # fmt: skip
    docs = PythonDocs()
    chosen = torch.randperm(len(docs.train), generator=torch.Generator().manual_seed(3))[:1600]
    loader = DataLoader([docs.train[i] for i in chosen.tolist()], 32, shuffle=True)
    val_loader = DataLoader(docs.val, 64)
    net = Sentences(len(docs.symbols))
    optimizer = torch.optim.SGD(net.parameters(), 1.0, momentum=0.9)
    net = after(net)
    criterion = loss_of or nn.CrossEntropyLoss()
    run.watch(net, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
    total, step = 4 * len(loader), 0
    run.facts(planned_steps=total)
    while step < total:
        for x, y in loader:
            optimizer.param_groups[0]["lr"] = 1 - step / total
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            step += 1
            run.log(step, loss=loss.item())
        run.log(step, **shown(net, nn.CrossEntropyLoss(), val_loader))


# --- sketches: a picture is drawn again and named, judged by averaged weights ---------------------


class Sketches(nn.Module):
    """Classes, and the pixels once more behind them: [B, 10 + 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.SiLU(), nn.Flatten(),
        )  # fmt: skip
        self.between: Any = nn.Identity()
        self.name, self.draw = nn.Linear(512, 10), nn.Linear(512, 64)

    def forward(self, x: Tensor) -> Tensor:
        h = self.between(self.encoder(x))
        return torch.cat([self.name(h), self.draw(h)], 1)


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module) -> None:
    """Move averaged weights, and take the statistics as they are."""
    for mean, p in zip(average.parameters(), net.parameters(), strict=True):
        mean.lerp_(p, 0.05)
    for mine, b in zip(average.buffers(), net.buffers(), strict=True):
        mine.copy_(b)


def sketches(run: Run, weight: float = 0.3, update: Any = follow, batch: Any = same, after: Any = same, each: Any = same) -> None:  # fmt: skip
    data = Digits()
    loader = DataLoader(data.train, 40, shuffle=True)
    val_loader = DataLoader(data.val, 150)
    net = after(Sketches())
    average = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)

    def criterion(out: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(out[:, :10], y)

    run.watch(net, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
    run.facts(planned_steps=5 * len(loader))
    step = 0
    for _ in range(5):
        net.train()
        each(net, optimizer)
        for images, y in loader:
            x = batch(images)
            out = net(x)
            loss = criterion(out, y) + weight * F.mse_loss(out[:, 10:], x.flatten(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            update(average, net)
            step += 1
            run.log(step, loss=loss.item())
        named = nn.Sequential(average, Classes())
        run.log(step, **scored(named.eval(), F.cross_entropy, val_loader))


class Classes(nn.Module):
    def forward(self, out: Tensor) -> Tensor:
        return out[:, :10]


# --- patients: a regression whose gradients are gathered ------------------------------------------


def patients_of() -> Iterator[TensorDataset]:
    """Standardised by the first three hundred, who are learnt from."""
    x, y = (torch.tensor(part).float() for part in load_diabetes(return_X_y=True))
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order, None]
    x, y = (x - x[:300].mean(0)) / x[:300].std(0), (y - y[:300].mean()) / y[:300].std()
    yield from (TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:]))


def patients(run: Run, optimizer_of: Any = None, mode: str = "min", gather: Any = None, hidden: int = 24, stepped: Any = None) -> None:  # fmt: skip
    train, val = patients_of()
    loader, val_loader = DataLoader(train, 15, shuffle=True), DataLoader(val, 71)
    net = nn.Sequential(nn.Linear(10, hidden), nn.ReLU(), nn.Linear(hidden, 1))
    optimizer = (optimizer_of or torch.optim.Adam)(net.parameters(), lr=0.01)
    scheduler = ReduceLROnPlateau(optimizer, mode, factor=0.3, patience=3)
    criterion = nn.SmoothL1Loss()
    run.watch(net, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
    run.facts(planned_steps=20 * len(loader))
    step = 0
    for _ in range(20):
        for x, y in loader:
            loss = criterion(net(x), y)
            (loss / 2).backward()
            step += 1
            if step % 2 == 0:
                (stepped or torch.optim.Optimizer.step)(optimizer) if stepped else optimizer.step()
                (gather or optimizer.zero_grad)()
            run.log(step, loss=loss.item())
        with torch.no_grad():
            held = [(net(x), y) for x, y in val_loader]
        loss = sum(criterion(out, y).item() for out, y in held) / len(held)
        error = sum(F.mse_loss(out, y).item() for out, y in held) / len(held)
        scheduler.step(loss)
        run.log(step, val_loss=loss, val_acc=1 - error)


SCRIPTS = (wine, patches, waves, sentences, sketches, patients)
PAGES: dict[str, Callable[[], Page]] = {f"{s.__name__}-page": partial(Page, s) for s in SCRIPTS}
"""Healthy scripts by name."""
