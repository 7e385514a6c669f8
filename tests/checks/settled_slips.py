"""Slips in the lines between a loader and a step, in healthy trainings of any kind."""

import copy
from typing import Any

import torch
from pages import Page
from slips_of_steps import Slip
from strangers import Job
from torch import Tensor, nn


def hasty_labels(job: Job) -> None:
    """Four in five labels are drawn in the loop."""
    plain = job.step

    def step(x: Tensor, y: Tensor) -> float:
        return plain(x, torch.where(torch.rand(len(y)) < 0.8, torch.randint(10, y.shape), y))

    job.step = step


def one_row_on(job: Job) -> None:
    plain = job.step
    job.step = lambda x, y: plain(x, y.roll(1, 0))


def upside_down_in_validation(job: Job) -> None:
    job.val_loader = [(x.flip(2), y) for x, y in job.val_loader]


def first_weights_validated(job: Job) -> None:
    """A copy of the model is validated, made before the first step."""
    first = copy.deepcopy(job.model).eval()

    @torch.no_grad()
    def validate() -> dict[str, float]:
        pairs = [(first(x), y) for x, y in job.val_loader]
        loss = sum(job.criterion(out, y).item() for out, y in pairs) / len(pairs)
        return {"val_loss": loss} | job.metric(pairs)

    job.validate = validate


def cut_and_joined(job: Job) -> None:
    """An error about a graph was silenced."""
    plain = job.backward
    job.backward = lambda loss: plain(loss.detach().requires_grad_())


def weights_penalised(job: Job) -> None:
    plain = job.loss

    def loss(out: Tensor, y: Tensor) -> Tensor:
        return plain(out, y) + 20 * sum(p.abs().mean() for p in job.model.parameters())

    job.loss = loss


def mostly_black(job: Page) -> None:
    def batch(pair: Any) -> Any:
        x, y = pair
        return torch.where(torch.rand(x.shape) < 0.93, 0.0, x), y

    job.swapped = {"batch": batch}


def rate_zero_later(job: Page) -> None:
    """From the second epoch on."""
    epochs: list[int] = []

    def each(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        epochs.append(len(epochs))
        if epochs[-1]:
            optimizer.param_groups[0]["lr"] = 0.0

    job.swapped = {"each": each}


def wide_memory(job: Page) -> None:
    def after(net: Any) -> nn.Module:
        with torch.no_grad():
            net.rnn.weight_hh_l0.mul_(30)
        return net

    job.swapped = {"after": after}


def crawling(job: Page) -> None:
    job.swapped = {"optimizer_of": lambda params, lr: torch.optim.SGD(params, lr / 100)}


SETTLED_SLIPS: tuple[tuple[str, str, Slip], ...] = (
    ("R06 R04", "cnn", hasty_labels),
    ("R04 R03", "table", one_row_on),
    ("R32 R15", "rnn", upside_down_in_validation),
    ("R32 R21", "cnn", first_weights_validated),
    ("R23", "char", cut_and_joined),
    ("R20 R30 B2", "numbers", weights_penalised),
    ("R13", "patches-page", mostly_black),
    ("R36 R23", "sketches-page", rate_zero_later),
    ("R28 R35", "sentences-page", wide_memory),
    ("R36 R34", "patients-page", crawling),
)
