"""Faults of a training, one by one: what is changed, and in which kinds of training."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from bisector.recipes.tabular import BreastCancer
from run_gallery import Fault
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.loop import Training
from bisector.train.run import Run

# --- faults of a recipe's training, put in before its first step --------------------------------


def all_of(*faults: Fault) -> Fault:
    def change(training: Training) -> None:
        for fault in faults:
            fault(training)

    return change


def never_zeroed(training: Training) -> None:
    training.parts.optimizer.zero_grad = lambda set_to_none=True: None


def only(word: str) -> Fault:
    """Leave in the optimizer the parameters whose names have a word in them."""

    def change(training: Training) -> None:
        kept = [p for n, p in training.parts.model.named_parameters() if word in n]
        training.parts.optimizer.param_groups[0]["params"] = kept

    return change


def copied_after(training: Training) -> None:
    """The optimizer holds a copy of the model."""
    twin = copy.deepcopy(training.parts.model)
    training.parts.optimizer.param_groups[0]["params"] = list(twin.parameters())


def weights(change: Callable[[str, Tensor], None]) -> Fault:
    def changed(training: Training) -> None:
        with torch.no_grad():
            for name, p in training.parts.model.named_parameters():
                change(name, p)

    return changed


def biases(value: float, but: str = "head") -> Fault:
    return weights(lambda n, p: p.fill_(value) if p.ndim == 1 and but not in n else None)


def times(scale: float, only: str = "") -> Fault:
    return weights(lambda n, p: p.mul_(scale) if p.ndim > 1 and only in n else None)


def before(path: str, function: Callable[[Tensor], Tensor]) -> Fault:
    """Do something to what a module is given."""

    def change(training: Training) -> None:
        module = training.parts.model.get_submodule(path)
        original = module.forward
        module.forward = lambda x: original(function(x))

    return change


def fresh_layer(path: str) -> Fault:
    """Put a layer that is made anew in every pass before a module."""

    def made(x: Tensor) -> Tensor:
        return F.relu(nn.Linear(x.shape[-1], x.shape[-1])(x))

    return before(path, made)


def hidden_layer(path: str, width: int) -> Fault:
    """Put a layer that no module holds before a module."""
    hidden = nn.Linear(width, width)
    return before(path, lambda x: F.relu(hidden(x)))


def stays_in_eval(training: Training) -> None:
    """After the first validation nobody says `train()`."""
    model = training.parts.model
    model.train = lambda mode=True: model if mode else nn.Module.train(model, mode=False)


def never_in_eval(training: Training) -> None:
    training.parts.model.eval = lambda: training.parts.model


def schedule_of_steps(training: Training) -> None:
    """A schedule whose length is meant in epochs."""
    parts = training.parts
    for group in parts.optimizer.param_groups:
        group["lr"] = group["initial_lr"]
    schedule = torch.optim.lr_scheduler.StepLR(parts.optimizer, 10, gamma=0.3)
    training.parts = dataclasses.replace(parts, scheduler=schedule)


def cycles_of_steps(training: Training) -> None:
    """A cosine whose period is meant in epochs."""
    parts = training.parts
    for group in parts.optimizer.param_groups:
        group["lr"] = group["initial_lr"]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(parts.optimizer, 4)
    training.parts = dataclasses.replace(parts, scheduler=schedule)


def constant_rate(training: Training) -> None:
    """No schedule."""
    for group in training.parts.optimizer.param_groups:
        group["lr"] = group["initial_lr"]
    training.parts = dataclasses.replace(training.parts, scheduler=None)


# --- a function of a user's, with the slips that users make ---------------------------------------


class Net(nn.Module):
    """Two hidden layers, with dropout; [B, 2] logits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(30, 32), nn.BatchNorm1d(32)
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(F.relu(self.norm(self.stem(x)))))


def by_hand(run: Run, slip: str = "", epochs: int = 6) -> None:
    """Train on the table as a user would write it."""
    data = BreastCancer()
    (x, y), (vx, vy) = data.train.tensors, data.val.tensors
    model: Any = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    if slip == "replaced":
        model = copy.deepcopy(model)
    run.watch(model, optimizer)
    for epoch in range(epochs):
        if slip != "eval" or epoch == 0:
            model.train()
        for number, rows in enumerate(torch.randperm(len(x)).split(32)):
            loss = one_step(slip, model, optimizer, x[rows], y[rows])
            run.log(epoch * 12 + number + 1, loss=loss)
        if slip != "train":
            model.eval()
        with torch.no_grad():
            run.log(epoch * 12 + 12, val_acc=(model(vx).argmax(1) == vy).float().mean())


def one_step(
    slip: str, model: Net, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor
) -> float:
    if slip not in ("no zero_grad", "no step"):
        optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    if slip == "two terms":
        loss = loss + 30.0 * model.stem.weight.square().sum()
    loss.backward()
    if slip != "no step":
        optimizer.step()
    return loss.item()


SLIPS = {
    "replaced": "R23f",
    "no step": "R23e",
    "no zero_grad": "R33a",
    "eval": "R32f",
    "train": "R32g",
    "two terms": "R20",
}
"""What is wrong with a function, and the check that must say so."""

# --- the table -------------------------------------------------------------------------------------

DEEP = ["model.depth=12", "trainer.epochs=4"]
Z = "bisector.recipes.digits.ZLoss"

FAULTS: dict[str, tuple[str, str, list[str], Fault | None]] = {
    "never zeroed, cnn": ("R33a", "cnn", ["trainer.epochs=3"], never_zeroed),
    "never zeroed, mlp": ("R33a", "mlp", ["trainer.epochs=3"], never_zeroed),
    "never zeroed, transformer": ("R33a", "transformer", ["trainer.steps=40"], never_zeroed),
    "head alone, cnn": ("R23g", "cnn", ["trainer.epochs=3"], only("head")),
    "bottom alone, mlp": ("R23g", "mlp", ["trainer.epochs=3"], only("layers.0")),
    "other copy, cnn": ("R23f", "cnn", ["trainer.epochs=3"], copied_after),
    "other copy, rnn": ("R23f", "rnn", ["trainer.epochs=3"], copied_after),
    "detached, cnn": ("R23h", "cnn", ["trainer.epochs=3"], before("small", torch.Tensor.detach)),
    "detached, rnn": ("R23h", "rnn", ["trainer.epochs=3"], before("head", torch.Tensor.detach)),
    "rate zero, mlp": ("R23h", "mlp", ["optimizer.lr=0.0", "trainer.epochs=3"], None),
    "made in forward, mlp": ("R22g", "mlp", ["trainer.epochs=4"], fresh_layer("layers.3")),
    "made in forward, cnn": ("R22g", "cnn", ["trainer.epochs=3"], fresh_layer("head")),
    "hidden layer, rnn": ("R22h", "rnn", ["trainer.epochs=3"], hidden_layer("head", 32)),
    "stays in eval, cnn": (
        "R32f", "cnn", ["model.batch_norm=true", "trainer.epochs=4"], stays_in_eval,
    ),
    "never in eval, cnn": (
        "R32g", "cnn", ["model.batch_norm=true", "trainer.epochs=4"], never_in_eval,
    ),
    "steps for epochs, cnn": (
        "R36a", "cnn",
        [], schedule_of_steps,
    ),
    "cycles of steps, mlp": ("R36a", "mlp", ["trainer.epochs=8"], cycles_of_steps),
    "decay leaves nothing, mlp": (
        "R30c", "mlp", ["optimizer.weight_decay=2.0", "trainer.epochs=6"], None,
    ),
    "a batch is all, mlp": (
        "R11", "mlp", ["trainer.batch_size=379", "trainer.epochs=12"], constant_rate,
    ),
    "loud penalty, cnn": (
        "R20", "cnn",
        [f"loss.penalties.z._target_={Z}", "loss.penalties.z.weight=30.0", "trainer.epochs=4"], None,
    ),
    "large recurrent weights, rnn": ("R35d", "rnn", [], times(12.0, "rnn")),
    "exploding, mlp": ("R35a", "mlp", DEEP, times(4.0)),
    "vanishing, mlp": ("R35b", "mlp", DEEP, times(0.3)),
    "dead, cnn": ("R35c", "cnn", ["trainer.epochs=3"], biases(-20.0)),
    "dead, mlp": ("R35c", "mlp", ["trainer.epochs=6"], biases(-20.0, "layers.3")),
    "rate x 30, cnn": ("R36b", "cnn", ["optimizer.lr=0.5", "trainer.epochs=4"], None),
    "rate x 100, rnn": ("R36b", "rnn", ["optimizer.lr=1.0", "trainer.epochs=4"], None),
    "rate / 10,000, cnn": ("R36c", "cnn", ["optimizer.lr=0.0000003", "trainer.epochs=3"], None),
    "rate / 10,000, mlp": ("R36c", "mlp", ["optimizer.lr=0.000005", "trainer.epochs=6"], None),
    "focal, cnn": ("R21", "cnn", ["loss._target_=bisector.recipes.digits.FocalLoss"], None),
    "too short, cnn": ("R31", "cnn", ["optimizer.lr=0.0005", "trainer.epochs=4"], constant_rate),
    "too short, mlp": ("R31", "mlp", ["optimizer.lr=0.001", "trainer.epochs=8"], constant_rate),
}  # fmt: skip
"""Name to the check that must come first, the kind of training, overrides, and the fault."""
