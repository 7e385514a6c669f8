"""One piece of a page (`pages.py`) replaced by one that is wrong."""

import copy
from typing import Any

import torch
from pages import Foretell, Page, Patches, scored
from slips_of_steps import Slip
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import CyclicLR, ExponentialLR
from torch.utils.checkpoint import checkpoint


def swap(name: str, **pieces: Any) -> Slip:
    """A slip that puts these pieces in."""

    def slip(page: Page) -> None:
        page.swapped = pieces

    slip.__name__ = name
    return slip


# --- wine -----------------------------------------------------------------------------------------


def labels_in_order(together: Any) -> Any:
    """The labels of a batch are sorted where it is put together."""

    def collate(batch: Any) -> tuple[Tensor, Tensor]:
        x, y = together(batch)
        return x, y.sort().values

    return collate


def weight_norm(net: nn.Sequential, _: Any) -> nn.Module:
    """Layers wrapped behind the optimizer, which holds parameters that are no more."""
    for i in (0, 3, 6):
        layer = nn.Linear(net[i].in_features, net[i].out_features)
        net[i] = nn.utils.parametrizations.weight_norm(layer)
    return net


def swinging(optimizer: Any, steps: int) -> Any:
    return CyclicLR(optimizer, 0.01, 30.0, step_size_up=20, cycle_momentum=False)


def halved_by_step(optimizer: Any, steps: int) -> Any:
    return ExponentialLR(optimizer, 0.6)


# --- patches --------------------------------------------------------------------------------------


def drawn_wide() -> Patches:
    """All matrices from a normal distribution of deviation 1."""
    net = Patches()
    for p in net.parameters():
        if p.ndim == 2:
            nn.init.normal_(p, std=1.0)
    return net


def token_alone() -> Patches:
    """The mask hides all patches from the token."""
    net = Patches()
    mask = torch.zeros(17, 17, dtype=torch.bool)
    mask[0, 1:] = True
    net.mask = mask
    return net


class Checkpointed(Patches):
    """Features are computed again in the backward pass, the old way: the input asks for no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.features, x, use_reentrant=True))


def mostly_dropped() -> Patches:
    return Patches(dropout=0.85)


def torn_apart(pair: Any) -> Any:
    """An augmentation that puts the pixels elsewhere, alike in the whole batch and new each time."""
    x, y = pair
    return x.flatten(2)[..., torch.randperm(64)].view_as(x), y


# --- waves ----------------------------------------------------------------------------------------


def gates_held() -> Foretell:
    """The update gate's bias is so large that the state stays what it was."""
    net = Foretell()
    with torch.no_grad():
        net.rnn.bias_hh_l0[24:48] = 40.0
    return net


def two_shuffles(loader: Any) -> Any:
    """Inputs from one pass through the loader, targets from another."""
    return (((x, y)) for (x, _), (_, y) in zip(loader, loader, strict=True))


# --- sentences ------------------------------------------------------------------------------------


def tied_afterwards(net: Any) -> Any:
    """One table for both, made of a copy and behind the optimizer."""
    net.read.weight = net.write.weight = nn.Parameter(net.read.weight.detach().clone())
    return net


def logarithm_of_softmax(out: Tensor, y: Tensor) -> Tensor:
    return F.nll_loss((25 * out).softmax(1).log(), y)


def accuracy_one_late(net: Any, criterion: Any, loader: Any) -> dict[str, float]:
    """The outputs are moved once more, though the targets are moved already."""
    with torch.no_grad():
        right = [(net(x)[..., :-1].argmax(1) == y[:, 1:]).float() for x, y in loader]
    return scored(net, criterion, loader) | {"val_acc": torch.cat(right).mean().item()}


# --- sketches -------------------------------------------------------------------------------------


@torch.no_grad()
def parameters_only(average: nn.Module, net: nn.Module) -> None:
    """The statistics of batch norm are no parameters."""
    for mean, p in zip(average.parameters(), net.parameters(), strict=True):
        mean.lerp_(p, 0.05)


class NoGradient(torch.autograd.Function):
    """A scale of gradients, meant for the discriminator of another model; its scale is 0."""

    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        return h.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return 0.0 * grad


class Unscaled(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return NoGradient.apply(h)


def gradient_scaled(net: Any) -> Any:
    net.between = Unscaled()
    return net


def pixels_elsewhere(x: Tensor) -> Tensor:
    """Each picture's pixels in an order of its own, for nine in ten."""
    order = torch.rand(len(x), 64).argsort(1)
    mixed = x.flatten(1).gather(1, order).view_as(x)
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.9, mixed, x)


class BackToTheBest:
    """Weights of the best epoch are loaded before each; nobody ever wrote the best one down."""

    def __init__(self) -> None:
        self.best: Any = None

    def __call__(self, net: nn.Module, optimizer: Any) -> nn.Module:
        if self.best is None:
            self.best = copy.deepcopy(net.state_dict())
        net.load_state_dict(self.best)
        return net


def back_to_the_best(page: Page) -> None:
    page.swapped = {"each": BackToTheBest()}


def rate_lost(net: Any, optimizer: Any) -> None:
    """The rate of the third epoch was meant to be a hundredth."""
    optimizer.param_groups[0]["lr"] *= 20


# --- patients -------------------------------------------------------------------------------------


def rprop(params: Any, lr: float) -> Any:
    return torch.optim.Rprop(params, lr, step_sizes=(1e-6, 50))


def adadelta(params: Any, lr: float) -> Any:
    return torch.optim.Adadelta(params, lr / 10)


class Scaled:
    """A gradient scaler whose scale is beyond what numbers can hold: it leaves every step out."""

    def __init__(self) -> None:
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100, backoff_factor=0.999)

    def __call__(self, optimizer: Any) -> None:
        for p in optimizer.param_groups[0]["params"]:
            p.grad = p.grad * self.scaler.get_scale() * 2.0**60
        self.scaler.scale(torch.zeros(()))
        self.scaler.step(optimizer)
        self.scaler.update()


def scaled_away(page: Page) -> None:
    page.swapped = {"stepped": Scaled()}


def not_forgotten() -> None:
    """No gradient is zeroed."""


PAGE_SLIPS: tuple[tuple[str, str, Slip], ...] = (
    ("R04 R03", "wine-page", swap("labels in order", collate=labels_in_order)),
    ("R23", "wine-page", swap("weight norm afterwards", after=weight_norm)),
    ("R36", "wine-page", swap("cycle up to thirty", schedule=swinging)),
    ("R36", "wine-page", swap("less by each step", schedule=halved_by_step)),
    ("R31", "wine-page", swap("one round", epochs=1)),
    ("R28 R35", "patches-page", swap("drawn wide", model=drawn_wide)),
    ("R02 R22 R23", "patches-page", swap("token alone", model=token_alone)),
    ("R23", "patches-page", swap("checkpointed", model=Checkpointed)),
    ("R30", "patches-page", swap("mostly dropped", model=mostly_dropped)),
    (
        "R36",
        "patches-page",
        swap("cycle of many days", cycle={"max_lr": 4e-3, "total_steps": 400000}),
    ),
    ("R13", "patches-page", swap("torn apart", batch=torn_apart)),
    ("R35 R28", "waves-page", swap("gates held", model=gates_held)),
    ("R36", "waves-page", swap("rate of a half", rate=0.5)),
    ("R04 R03", "waves-page", swap("two shuffles", batches=two_shuffles)),
    ("R09", "waves-page", swap("sixteen windows", many=16, epochs=200)),
    ("R23", "sentences-page", swap("tied afterwards", after=tied_afterwards)),
    ("R36 R30 B2 R35", "sentences-page", swap("clipped to a thousandth", clip=5e-4)),
    ("R18 R37", "sentences-page", swap("logarithm of softmax", loss_of=logarithm_of_softmax)),
    ("R21", "sentences-page", swap("accuracy one late", shown=accuracy_one_late)),
    ("R20", "sketches-page", swap("drawing counts more", weight=3000.0)),
    ("R32", "sketches-page", swap("parameters only", update=parameters_only)),
    ("R23 R26 R35", "sketches-page", swap("gradient scaled", after=gradient_scaled)),
    ("R13", "sketches-page", swap("pixels elsewhere", batch=pixels_elsewhere)),
    ("R23", "sketches-page", back_to_the_best),
    ("R36", "sketches-page", swap("rate grows by epoch", each=rate_lost)),
    ("R36", "patients-page", swap("plateau upside down", mode="max")),
    ("R34 R36 R29", "patients-page", swap("rprop", optimizer_of=rprop)),
    ("R34 R36", "patients-page", swap("adadelta at a thousandth", optimizer_of=adadelta)),
    ("R24", "patients-page", swap("one unit", hidden=1)),
    ("R23 R37", "patients-page", scaled_away),
    ("R36 R35 R33", "patients-page", swap("not forgotten", gather=not_forgotten)),
)
