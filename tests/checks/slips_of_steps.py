"""Slips in the line of a script that steps, in its modes, and in its learning rate."""

import copy
from collections.abc import Callable

import torch
from strangers import Around, Job
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim import lr_scheduler as schedules

Slip = Callable[[Job], None]
"""Puts one thing wrong into a training that works."""

# --- nothing is learnt, or not by all ----------------------------------------------------------


def no_step(job: Job) -> None:
    job.update = lambda: None


def steps_too_rarely(job: Job) -> None:
    """Accumulates over a thousand batches, of which there are fewer."""
    job.update = lambda: job.optimizer.step() if job.steps % 1000 == 999 else None


def head_replaced_afterwards(job: Job) -> None:
    """A new last layer for another number of classes, when the optimizer is made already."""
    job.model.fc2 = nn.Linear(64, 10)


def model_copied_afterwards(job: Job) -> None:
    job.model = copy.deepcopy(job.model)


def model_made_twice(job: Job) -> None:
    """The optimizer is given the parameters of another instance."""
    job.model = type(job.model)()


def weights_made_anew(job: Job) -> None:
    """A custom initialisation that assigns new parameters, behind the optimizer."""
    for layer in job.model.modules():
        if isinstance(layer, nn.Linear):
            layer.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty_like(layer.weight)))


def body_frozen(job: Job) -> None:
    """Meant for fine-tuning; but the body is random."""
    for name, p in job.model.named_parameters():
        p.requires_grad_(name.startswith(("head", "fc", "4")))


def through_numpy(job: Job) -> None:
    """Features leave torch and come back."""
    job.model.rnn = Around(
        job.model.rnn, lambda rnn, x: (torch.from_numpy(rnn(x)[0].detach().numpy()), None)
    )


def body_without_gradient(job: Job) -> None:
    """`no_grad` around the features."""
    job.model.body = Around(job.model.body, torch.no_grad()(lambda body, x, **how: body(x, **how)))


def data_of_a_tensor(job: Job) -> None:
    job.model[1] = Around(job.model[1], lambda activation, x: activation(x.data))


def body_at_rate_zero(job: Job) -> None:
    """Two groups, and the body's rate was left at 0."""
    body = [p for n, p in job.model.named_parameters() if not n.startswith("fc")]
    head = [p for n, p in job.model.named_parameters() if n.startswith("fc")]
    job.optimizer = torch.optim.SGD([{"params": head}, {"params": body, "lr": 0.0}], 0.05, 0.9)
    job.scheduler = None


def zeroed_before_the_step(job: Job) -> None:
    backward = job.backward
    job.backward = lambda loss: (backward(loss), job.optimizer.zero_grad())


def loss_made_anew(job: Job) -> None:
    """The loss is wrapped into a new tensor."""
    loss = job.loss
    job.loss = lambda out, y: torch.tensor(loss(out, y).item(), requires_grad=True)


# --- gradients of other steps ------------------------------------------------------------------


def never_zeroed(job: Job) -> None:
    job.zero = lambda: None


def zeroed_once_an_epoch(job: Job) -> None:
    begin = job.begin_epoch
    job.zero = lambda: None
    job.begin_epoch = lambda: (begin(), job.optimizer.zero_grad())


def zeroed_in_another_model(job: Job) -> None:
    other = copy.deepcopy(job.model)
    job.zero = other.zero_grad


def zeroed_now_and_then(job: Job) -> None:
    """Meant to accumulate over ten batches, with a step at each."""
    job.zero = lambda: job.optimizer.zero_grad() if job.steps % 10 == 0 else None


# --- modes -------------------------------------------------------------------------------------


def train_mode_once(job: Job) -> None:
    job.model.train()
    job.begin_epoch = lambda: None


def never_evaluates(job: Job) -> None:
    job.begin_validation = lambda: None


def always_evaluates(job: Job) -> None:
    job.begin_epoch = job.model.eval


def dropout_for_ever(job: Job) -> None:
    """`F.dropout` without `self.training`."""
    job.model[1] = Around(job.model[1], lambda relu, x: F.dropout(relu(x), 0.5))


def norm_does_not_learn(job: Job) -> None:
    for norm in (job.model.bn1, job.model.bn2):
        norm.momentum = 0.0005


# --- rates and schedules -----------------------------------------------------------------------


def rate(factor: float) -> Slip:
    def rate_changed(job: Job) -> None:
        for group in job.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = group["lr"] * factor
        if job.scheduler is not None:
            job.scheduler.base_lrs = [b * factor for b in job.scheduler.base_lrs]

    rate_changed.__name__ = f"rate_x_{factor:g}"
    return rate_changed


def cosine_by_batch(job: Job) -> None:
    job.scheduler = schedules.CosineAnnealingLR(job.optimizer, job.epochs)
    job.by_step = True


def decay_by_batch(job: Job) -> None:
    job.scheduler = schedules.ExponentialLR(job.optimizer, 0.9)
    job.by_step = True


def steps_by_batch(job: Job) -> None:
    job.scheduler = schedules.StepLR(job.optimizer, 3, 0.5)
    job.by_step = True


def warm_up_without_end(job: Job) -> None:
    """A warm-up of as many steps as a large training has."""
    job.scheduler = schedules.LambdaLR(job.optimizer, lambda n: min(1.0, (n + 1) / 100_000))
    job.by_step = True


def plateau_the_wrong_way(job: Job) -> None:
    """`mode="max"`, and it is told the loss."""
    plateau = schedules.ReduceLROnPlateau(job.optimizer, "max", factor=0.1, patience=0)
    validate = job.validate
    job.end_epoch = lambda: None

    def told() -> dict[str, float]:
        found = validate()
        plateau.step(found["val_loss"])
        return found

    job.validate = told


def clipped_to_nothing(job: Job) -> None:
    job.clip = 1e-6
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.01)
    job.scheduler = None
