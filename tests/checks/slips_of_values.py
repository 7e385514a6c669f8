"""Slips in what a script computes: its loss, its layers and their weights, and how long it trains."""

import strangers
import torch
from slips_of_steps import Slip
from strangers import Around, Job
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import DataLoader

# --- losses ------------------------------------------------------------------------------------


def penalty(weight: float, power: int) -> Slip:
    def penalised(job: Job) -> None:
        loss = job.loss
        job.loss = lambda out, y: (
            loss(out, y) + weight * sum(p.abs().pow(power).sum() for p in job.model.parameters())
        )

    return penalised


def outputs_held_down(job: Job) -> None:
    """A penalty on the outputs' size, meant to be small."""
    loss = job.loss
    job.loss = lambda out, y: loss(out, y) + 50 * out.square().mean()


def decay(value: float) -> Slip:
    def decayed(job: Job) -> None:
        for group in job.optimizer.param_groups:
            group["weight_decay"] = value

    return decayed


def dropout_of_nearly_all(job: Job) -> None:
    job.model[1] = nn.Sequential(nn.ReLU(), nn.Dropout(0.97))


def counted_along_the_batch(job: Job) -> None:
    """The metric takes the largest over the samples, not over the classes."""
    job.metric = lambda pairs: {
        "val_acc": sum((out.argmax(0)[: len(y)] == y[:2]).float().mean().item() for out, y in pairs)
        / len(pairs)
    }


# --- signals -----------------------------------------------------------------------------------


def deep(activation: type[nn.Module], depth: int, job: Job) -> None:
    width = 32
    layers = [m for _ in range(depth) for m in (nn.Linear(width, width), activation())]
    job.model = nn.Sequential(nn.Linear(30, width), activation(), *layers, nn.Linear(width, 2))
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.05, 0.9)
    job.scheduler = None


def deep_sigmoid(job: Job) -> None:
    deep(nn.Sigmoid, 8, job)


def deep_tanh_small(job: Job) -> None:
    """Many layers, and weights drawn with a deviation of 0.02 as in large models."""
    deep(nn.Tanh, 10, job)
    for layer in job.model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)


def weights_too_wide(job: Job) -> None:
    for p in job.model.parameters():
        if p.ndim > 1:
            nn.init.normal_(p, std=1.5)


def biases_far_below(job: Job) -> None:
    for name, p in job.model.named_parameters():
        if name.startswith(("fc1.bias", "0.bias", "bn2.bias")):
            nn.init.constant_(p, -30.0)


def long_way_back(cell: type[nn.RNNBase], scale: float) -> Slip:
    """Pixel by pixel, 64 steps, by a plain recurrent net without a clip."""

    def pixel_by_pixel(job: Job) -> None:
        job.model = strangers.Rows(cell, step=1)
        nn.init.orthogonal_(job.model.rnn.weight_hh_l0, scale)
        job.optimizer = torch.optim.SGD(job.model.parameters(), 0.05, 0.9)
        job.scheduler = job.clip = None

    pixel_by_pixel.__name__ += f"_x_{scale:g}"
    return pixel_by_pixel


def plain_rectified(*args: object, **kwargs: object) -> nn.RNN:
    return nn.RNN(*args, nonlinearity="relu", **kwargs)


# --- numbers that are none ---------------------------------------------------------------------


def log_of_a_softmax(job: Job) -> None:
    """The logarithm of probabilities that have underflowed."""
    job.loss = lambda out, y: F.nll_loss((30 * out).softmax(1).log(), y)


def divided_by_its_deviation(job: Job) -> None:
    """Each feature by its deviation over the batch, which some do not have."""
    job.model = Around(job.model, lambda net, x: net((x - x.mean(0)) / x.std(0)))


def exponential_by_hand(job: Job) -> None:
    job.loss = lambda out, y: (
        -((400 * out).exp() / (400 * out).exp().sum(1, keepdim=True))
        .gather(1, y[:, None])
        .clamp_min(1e-9)
        .log()
        .mean()
    )


def root_of_a_distance(job: Job) -> None:
    """The distance to the outputs of a second pass, which is exactly nothing without dropout."""
    loss = job.loss
    job.loss = lambda out, y: loss(out, y) + 0.1 * (out - out.clone()).square().sum(1).sqrt().mean()


def mean_over_a_mask(job: Job) -> None:
    """The loss over the samples that are still wrong, of which at some time there are none."""

    def hard(out: Tensor, y: Tensor) -> Tensor:
        each = F.cross_entropy(out, y, reduction="none")
        wrong = (out.argmax(1) != y).float()
        return (each * wrong).sum() / wrong.sum()

    job.loss = hard


def in_half(job: Job) -> None:
    """A scale for half precision that overflows it."""
    loss = job.loss
    job.loss = lambda out, y: (loss(out, y).half() * 65536.0).float() / 65536.0


# --- layers ------------------------------------------------------------------------------------


def made_in_forward(job: Job) -> None:
    head = job.model[-1] if isinstance(job.model, nn.Sequential) else job.model.head
    width = head.in_features
    anew = Around(head, lambda last, x: last(F.relu(nn.Linear(width, width)(x))))
    if isinstance(job.model, nn.Sequential):
        job.model[-1] = anew
    else:
        job.model.head = anew


def listed_layers(job: Job) -> None:
    """Layers in a plain list."""
    hidden = [nn.Linear(48, 48), nn.Linear(48, 48)]
    job.model.head = Around(
        job.model.head, lambda last, x: last(F.relu(hidden[1](F.relu(hidden[0](x)))))
    )


# --- time --------------------------------------------------------------------------------------


def one_epoch(job: Job) -> None:
    job.epochs = 1
    if job.scheduler is not None and not job.by_step:
        job.scheduler = None


def whole_set_as_batch(job: Job) -> None:
    job.loader = DataLoader(job.loader.dataset, len(job.loader.dataset), shuffle=True)
