"""Slips in trainings of other idioms, written by the list of reasons before anybody looked whether a check sees them."""

import numpy as np
import torch
from idioms import Arrays, Closed, Functions, Trainer
from strangers import Job
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import OneCycleLR

# --- a trainer with callbacks -------------------------------------------------------------------


def best_is_the_largest(job: Trainer) -> None:
    """Ends early: the loss is to be larger than the best one, which is infinite."""

    def patience(trainer: Trainer) -> None:
        trainer.stop = True

    job.callbacks["epoch"].append(patience)


def a_cycle_up_to_three(job: Trainer) -> None:
    """The peak of another optimizer's cycle."""
    cycle = OneCycleLR(job.optimizer, 3.0, job.epochs * len(job.loader))
    job.callbacks["step"] = [lambda trainer: cycle.step()]


def nearly_all_erased(job: Trainer) -> None:
    """A random rectangle of seven rows and columns is set to nothing."""

    def erase(trainer: Trainer) -> None:
        x, y = trainer.batch
        x = x.clone()
        for image in x:
            top, left = torch.randint(2, (2,)).tolist()
            image[:, top : top + 7, left : left + 7] = 0
        trainer.batch = x, y

    job.callbacks["batch"].append(erase)


def buffer_never_filled(job: Trainer) -> None:
    """Inputs are to be copied into a buffer made in advance; the name is bound to them instead."""
    buffer = torch.zeros(63, 1, 8, 8)

    def fill(trainer: Trainer) -> None:
        x, y = trainer.batch
        target = buffer[: len(x)]
        trainer.batch = target, y
        target = x

    job.callbacks["batch"].append(fill)


def noise_on_gradients(job: Trainer) -> None:
    """Annealed noise whose annealing was forgotten."""

    def shake(trainer: Trainer) -> None:
        for p in trainer.model.parameters():
            p.grad.add_(torch.randn_like(p))

    job.callbacks["gradient"].append(shake)


def activations_kept_small(job: Trainer) -> None:
    """A penalty on what the head is given."""
    kept = []
    job.model.drop.register_forward_hook(lambda layer, args, out: kept.append(out))
    loss = job.loss
    job.loss = lambda out, y: loss(out, y) + 50 * kept.pop().abs().mean()


def whitened_by_batch(job: Trainer) -> None:
    """By the deviation over the samples of a batch, of which the last holds one."""

    def whiten(trainer: Trainer) -> None:
        x, y = trainer.batch
        trainer.batch = (x - x.mean(0)) / (x.std(0) + 1e-3), y

    job.callbacks["batch"].append(whiten)


def through_one_unit(job: Trainer) -> None:
    """A projection to one number before the head."""
    job.model.head = nn.Sequential(nn.Linear(192, 1), nn.ReLU(), nn.Linear(1, 10))
    job.optimizer.add_param_group({"params": list(job.model.head.parameters())})
    cycle = OneCycleLR(job.optimizer, 1e-2, job.epochs * len(job.loader))
    job.callbacks["step"] = [lambda trainer: cycle.step()]


# --- functions ----------------------------------------------------------------------------------


def gradients_summed(job: Functions) -> None:
    """Gradients are gathered in a dictionary that is never emptied."""
    of, total = job.gradients, {}

    def gathered(loss: Tensor) -> dict[str, Tensor]:
        for name, g in of(loss).items():
            total[name] = total.get(name, 0) + g
        return total

    job.gradients = gathered


def slow_weights_that_stay(job: Functions) -> None:
    """Looks ahead five steps, and comes back all of the way."""
    slow = {}

    def after() -> None:
        if not slow:
            slow.update({k: p.detach().clone() for k, p in job.weights.items()})
        if job.steps % 5 == 0:
            with torch.no_grad():
                for name, p in job.weights.items():
                    p.copy_(slow[name])

    slow.update({k: p.detach().clone() for k, p in job.model.named_parameters()})
    job.after_step = after


def halved_each_step(job: Functions) -> None:
    """Halved every step, where every epoch was meant."""

    def after() -> None:
        job.rate /= 2

    job.after_step = after


def decay_without_the_rate(job: Functions) -> None:
    """Decay by hand, not times the rate."""
    move = job.move

    def decayed(gradients: dict[str, Tensor]) -> None:
        move(gradients)
        with torch.no_grad():
            for p in job.weights.values():
                p.mul_(0.7)

    job.move = decayed


def likelihood_by_hand(job: Functions) -> None:
    """Two logarithms of a sigmoid, without a floor."""

    def loss(out: Tensor, y: Tensor) -> Tensor:
        p = torch.sigmoid(30 * (out[:, 1] - out[:, 0]))
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    job.loss = loss


# --- a closure ----------------------------------------------------------------------------------


def closure_keeps_gradients(job: Closed) -> None:
    job.zero = lambda: None


def closure_without_backward(job: Closed) -> None:
    """The loss is given back, and that is all."""
    job.backward = lambda loss: None


def variance_rectified(job: Closed) -> None:
    """A Gaussian's likelihood, with a rectified variance."""
    wide = nn.Linear(24, 2)
    job.model[-1] = wide
    job.optimizer = torch.optim.Adamax(job.model.parameters(), 5e-3)

    def loss(out: Tensor, y: Tensor) -> Tensor:
        variance = F.relu(out[:, 1:])
        return (0.5 * variance.log() + (out[:, :1] - y).square() / (2 * variance)).mean()

    job.criterion = loss
    metric = job.metric
    job.metric = lambda pairs: metric([(out[:, :1], y) for out, y in pairs])


def slopes_held_down(job: Closed) -> None:
    """A gradient penalty that weighs 200."""

    def closure(x: Tensor, y: Tensor):
        def close() -> Tensor:
            job.zero()
            x.requires_grad_()
            out = job.model(x)
            (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
            loss = job.loss(out, y) + 200 * slope.square().sum(1).mean()
            job.backward(loss)
            return loss

        return close

    job.closure = closure


def variance_of_outputs(job: Closed) -> None:
    """The share that is explained, of the outputs' variance instead of the targets'."""

    def metric(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        out, y = (torch.cat(part) for part in zip(*pairs, strict=True))
        return {"val_acc": 1 - (F.mse_loss(out, y) / out.var()).item() * 2}

    job.metric = metric


def averaged_descent(job: Closed) -> None:
    """Another optimizer, and the rate of a fine-tuning."""
    job.optimizer = torch.optim.ASGD(job.model.parameters(), 2e-5)


# --- arrays -------------------------------------------------------------------------------------


class Halves(Arrays):
    """The order is applied to one of two arrays."""

    def pair(self, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.x[chosen]), torch.from_numpy(self.y[np.sort(chosen)])


def one_array_shuffled(job: Job) -> None:
    job.loader = Halves(job.loader.x, job.loader.y, job.loader.size)


def divided_as_integers(job: Job) -> None:
    """Pixels from 0 to 16, divided by 16 in an integer type."""
    for arrays in (job.loader, job.val_loader):
        arrays.x = (arrays.x * 16).astype(np.int64) // 16
        arrays.x = arrays.x.astype(np.float32)


def first_thirty(job: Job) -> None:
    job.loader = Arrays(job.loader.x[:20], job.loader.y[:20], 10)


def statistics_that_stay(job: Job) -> None:
    """Batch norm's momentum, in the sense of another library."""
    for layer in job.model:
        if isinstance(layer, nn.BatchNorm1d):
            layer.momentum = 1e-6


def all_at_once(job: Job) -> None:
    """One step an epoch."""
    job.loader = Arrays(job.loader.x, job.loader.y, 1200)


def every_trick(job: Job) -> None:
    """Dropout, smoothing, decay and mixing, each as strong as somebody had it."""
    job.model[3].p = 0.9
    job.model.insert(7, nn.Dropout(0.9))
    job.criterion = nn.CrossEntropyLoss(label_smoothing=0.6)
    for group in job.optimizer.param_groups:
        group["weight_decay"] = 0.05
