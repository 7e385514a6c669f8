"""More of the plainest slips, as `slips_of_plain.py`."""

import copy
from collections.abc import Callable

import torch
from plain_trainings import Augmented
from slips_of_plain import called
from slips_of_steps import Slip
from strangers import Job
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR
from torch.utils.data import DataLoader, Subset


def adam_at(rate: float) -> Slip:
    def slip(job: Job) -> None:
        job.scheduler = None
        job.optimizer = torch.optim.Adam(job.model.parameters(), rate)

    return slip


def fed_with(change: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]) -> Slip:
    """A line before the model is called: from inputs, targets and the step's number to both."""

    def slip(job: Job) -> None:
        step = job.step
        job.step = lambda x, y: step(*change(x, y, job.steps))

    slip.__name__ = change.__name__
    return slip


@fed_with
def rolled_in_every_other_batch(x: Tensor, y: Tensor, step: int) -> tuple[Tensor, Tensor]:
    return x, y.roll(1) if step % 2 else y


@fed_with
def images_mixed_and_labels_not(x: Tensor, y: Tensor, step: int) -> tuple[Tensor, Tensor]:
    share = torch.rand(len(x), 1, 1, 1)
    return share * x + (1 - share) * x[torch.randperm(len(x))], y


@fed_with
def divided_by_a_span_of_nothing(x: Tensor, y: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Some pixels are the same in all samples of a batch."""
    return (x - x.amin(0)) / (x - x.amin(0)).amax(0), y


@fed_with
def mean_of_the_batch(x: Tensor, y: Tensor, step: int) -> tuple[Tensor, Tensor]:
    return x.mean(0, keepdim=True).expand_as(x), y


class Always(nn.Module):
    """A dropout that does not know of modes."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.6)


def dropout_by_function(job: Job) -> None:
    job.model.insert(len(job.model) - 1, Always())


def layers_at_rate_zero(job: Job) -> None:
    """A group that was to be tuned later."""
    body = [p for n, p in job.model.named_parameters() if n.startswith("body")]
    others = [p for n, p in job.model.named_parameters() if not n.startswith("body")]
    job.optimizer = torch.optim.AdamW([{"params": others, "lr": 3e-3}, {"params": body, "lr": 0.0}])
    total = job.epochs * len(job.loader)
    job.scheduler = LambdaLR(job.optimizer, lambda n: 1 - n / total)


def weights_at_zero(job: Job) -> None:
    for module in job.model:
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)


def head_times_100(job: Job) -> None:
    with torch.no_grad():
        job.model[-1].weight.mul_(100)


def softmax_at_the_end(job: Job) -> None:
    job.model = nn.Sequential(job.model, nn.Softmax(1))


def squares_of_weights(job: Job) -> None:
    def loss(out: Tensor, y: Tensor) -> Tensor:
        return job.criterion(out, y) + sum(p.square().sum() for p in job.model.parameters())

    job.loss = loss


def restarts_by_batch(job: Job) -> None:
    job.scheduler, job.by_step = CosineAnnealingWarmRestarts(job.optimizer, 2), True


def begun_anew_each_epoch(job: Job) -> None:
    start, begin = copy.deepcopy(job.model.state_dict()), job.begin_epoch

    def fresh() -> None:
        job.model.load_state_dict(start)
        begin()

    job.begin_epoch = fresh


def plain_descent(job: Job) -> None:
    """For a transformer."""
    job.optimizer, job.scheduler = torch.optim.SGD(job.model.parameters(), 1e-3), None


def two_dozen_pieces(job: Job) -> None:
    """Left from trying it out."""
    job.loader = DataLoader(Subset(job.loader.dataset, range(24)), 8, shuffle=True)
    job.epochs, job.scheduler = 50, None
    for group in job.optimizer.param_groups:
        group["lr"] = 5e-3


def summed(job: Job) -> None:
    job.criterion = nn.CrossEntropyLoss(reduction="sum")
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.5)


def recurrence_too_wide(job: Job) -> None:
    nn.init.normal_(job.model.rnn.weight_hh_l0, std=3.0)


def a_pixel_of_twelve(job: Augmented) -> None:
    job.augment = lambda x: x * torch.zeros_like(x).bernoulli_(0.08)


MORE_PLAIN_SLIPS: tuple[tuple[str, str, Slip], ...] = (
    ("R36", "table", called("Adam at 0.3", adam_at(0.3))),
    ("R04", "warmed", rolled_in_every_other_batch),
    ("R32", "augmented", dropout_by_function),
    ("R23", "tied", layers_at_rate_zero),
    ("R28", "fours", weights_at_zero),
    ("R17 R28", "eights", head_times_100),
    ("R19", "warmed", softmax_at_the_end),
    ("R20 R30", "fours", squares_of_weights),
    ("R13", "warmed", images_mixed_and_labels_not),
    ("R37", "fours", divided_by_a_span_of_nothing),
    ("R36", "warmed", restarts_by_batch),
    ("R23", "descent", begun_anew_each_epoch),
    ("R34 R36", "tied", plain_descent),
    ("R09", "codes", two_dozen_pieces),
    ("R02 R03", "plateau", mean_of_the_batch),
    ("R36 R18", "descent", summed),
    ("R28 R35", "codes", recurrence_too_wide),
    ("R13", "augmented", a_pixel_of_twelve),
)
"""Reasons, the trainings, and the slip: see `every_slip.TABLE`."""
