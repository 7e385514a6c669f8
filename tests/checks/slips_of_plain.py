"""The plainest slips, as a first course on training nets tells them, in seldom but right settings."""

import torch
from plain_trainings import Augmented, Gathered, blocks
from slips_of_steps import Slip
from strangers import Around, Job
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR
from torch.utils.data import DataLoader, Subset, TensorDataset


def called(name: str, slip: Slip) -> Slip:
    """A slip under the name of its strength."""
    slip.__name__ = name
    return slip


# --- steps --------------------------------------------------------------------------------------


def model_made_again(job: Gathered) -> None:
    """Behind the optimizer, to begin afresh."""
    job.model = blocks()


def never_zeroed(job: Job) -> None:
    job.zero = lambda: None


def rate_falls_by_batch(job: Job) -> None:
    """A decay meant for epochs."""
    job.scheduler, job.by_step = ExponentialLR(job.optimizer, 0.8), True


def layer_made_in_forward(job: Job) -> None:
    def between(h: Tensor) -> Tensor:
        return nn.Linear(48, 48)(h)

    job.model.between = between


def never_gathered_enough(job: Gathered) -> None:
    """Of so many batches that an epoch has fewer, and each epoch counts anew."""
    job.many = 256


def sign_lost(job: Job) -> None:
    plain = job.criterion
    job.loss = lambda out, y: -plain(out, y)


def softmax_over_the_batch(job: Job) -> None:
    job.criterion = lambda out, y: F.nll_loss(F.log_softmax(out, dim=0), y)


def head_hears_a_copy(job: Job) -> None:
    """The features are detached before the head."""
    net = job.model
    job.model.fc1 = Around(net.fc1, lambda inner, h: inner(h.detach()))


def reader_without_gradient(job: Job) -> None:
    def read(inner: nn.Module, x: Tensor):
        with torch.no_grad():
            return inner(x)

    job.model.rnn = Around(job.model.rnn, read)


def eval_from_the_second_epoch(job: Job) -> None:
    """`train()` stands before the loop only."""
    begun = []

    def begin() -> None:
        if not begun:
            job.model.train()
        begun.append(1)

    job.begin_epoch = begin


def validated_in_training_mode(job: Job) -> None:
    job.begin_validation = lambda: None
    job.val_loader = DataLoader(job.val_loader.dataset, 2)


def no_step_in_a_branch(job: Job) -> None:
    """Only where the loss is not finite, which was meant the other way round."""
    step = job.optimizer.step
    loss = {}

    def backward(value: Tensor) -> None:
        loss["now"] = value.item()
        value.backward()

    job.backward = backward
    job.update = lambda: None if torch.isfinite(torch.tensor(loss["now"])) else step()


# --- hyperparameters ----------------------------------------------------------------------------


def no_warm_up(job: Job) -> None:
    for group in job.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 6.0
    total = job.epochs * len(job.loader)
    job.scheduler = LambdaLR(job.optimizer, lambda n: 1 - n / total)


def warm_up_for_ever(job: Job) -> None:
    job.scheduler = LambdaLR(job.optimizer, lambda n: (n + 1) / 100_000)


def rate(value: float) -> Slip:
    def slip(job: Job) -> None:
        job.scheduler = None
        for group in job.optimizer.param_groups:
            group["lr"] = value

    return slip


def grouped(**values: float) -> Slip:
    def slip(job: Job) -> None:
        for group in job.optimizer.param_groups:
            group.update(values)

    return slip


def dropped(job: Job) -> None:
    """Nineteen units of twenty."""
    job.model.insert(3, nn.Dropout(0.95))


def no_room(job: Job) -> None:
    """Two units for ten classes."""
    job.model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU(), nn.Linear(2, 10))
    job.optimizer = torch.optim.Adam(job.model.parameters(), 2e-3)
    job.epochs = 6


def few_samples(many: int) -> Slip:
    def slip(job: Job) -> None:
        few = Subset(job.loader.dataset, range(many))
        job.loader = DataLoader(few, 12, shuffle=True)
        job.epochs *= 4
        total = job.epochs * len(job.loader)
        job.scheduler = LambdaLR(job.optimizer, lambda n: 0.25 * (1 - n / total))

    return slip


def batches_of(many: int) -> Slip:
    def slip(job: Job) -> None:
        job.loader = DataLoader(job.loader.dataset, many, shuffle=True)
        total = job.epochs * len(job.loader)
        if job.scheduler is not None:
            job.scheduler = LambdaLR(job.optimizer, lambda n: min((n + 1) / 30, 1 - n / total))

    return slip


def for_epochs(many: int) -> Slip:
    def slip(job: Job) -> None:
        job.epochs = many

    return slip


def clipped_to_nothing(job: Job) -> None:
    job.clip = 1e-4


# --- values -------------------------------------------------------------------------------------


def biases_far_below(job: Job) -> None:
    for module in job.model.modules():
        if isinstance(module, nn.GroupNorm):
            nn.init.constant_(module.bias, -8.0)


def turned_and_mirrored(job: Augmented) -> None:
    """A six becomes a nine, and much noise."""
    usual = job.augment

    def augment(x: Tensor) -> Tensor:
        turn, mirror = torch.randint(4, ()).item(), torch.rand(()) < 0.5
        x = torch.rot90(usual(x), turn, (2, 3))
        return (x.flip(3) if mirror else x) + 0.7 * torch.randn_like(x)

    job.augment = augment


def slow_statistics(job: Job) -> None:
    for module in job.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1e-4


def log_in_half(job: Job) -> None:
    """A log of a softmax of sixteen bits."""
    job.criterion = lambda out, y: (
        -(10 * out).half().softmax(1).log().gather(1, y[:, None]).float().mean()
    )


class Both(nn.Module):
    """Classes, and the image again."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
        self.head, self.again = nn.Linear(32, 10), nn.Linear(32, 64)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        self.error = (self.again(h) - x.flatten(1)).square().mean()
        return self.head(h)


def image_again_drowns(job: Job) -> None:
    job.model = Both()
    job.optimizer = torch.optim.Adam(job.model.parameters(), 5e-4)
    job.loss = lambda out, y: job.criterion(out, y) + 1e4 * job.model.error


def labels_shuffled_from(epoch: int) -> Slip:
    def slip(job: Job) -> None:
        def begin() -> None:
            job.model.train()
            job.begun = getattr(job, "begun", 0) + 1
            if job.begun == epoch:
                x, y = job.loader.dataset.tensors
                mixed = TensorDataset(x, y[torch.randperm(len(y))])
                job.loader = DataLoader(mixed, job.loader.batch_size, shuffle=True)

        job.begin_epoch = begin

    return slip


def validated_on_raw_pixels(job: Job) -> None:
    x, y = job.val_loader.dataset.tensors
    job.val_loader = DataLoader(TensorDataset(x * 255, y), 256)


def state_of_the_last_batch(job: Job) -> None:
    """The state goes on, though the batches are shuffled."""
    kept = {}

    def read(inner: nn.Module, x: Tensor):
        before = kept.get("h")
        if before is not None and before.shape[1] != len(x):
            before = None
        out, h = inner(x, before)
        kept["h"] = 3 * h.detach()
        return out, h

    job.model.rnn = Around(job.model.rnn, read)


def noise_is_read(job: Job) -> None:
    """Left from a trial run."""
    inner = job.model
    job.model = Around(inner, lambda net, x: net(torch.rand_like(x)))


def scored_against_itself(job: Job) -> None:
    """The targets are shuffled for the metric."""
    usual = job.metric
    job.metric = lambda pairs: usual([(out, y[torch.randperm(len(y))]) for out, y in pairs])


PLAIN_SLIPS: tuple[tuple[str, str, Slip], ...] = (
    ("R23", "eights", model_made_again),
    ("R33", "descent", never_zeroed),
    ("R36", "descent", rate_falls_by_batch),
    ("R22 R23", "tied", layer_made_in_forward),
    ("R23", "eights", never_gathered_enough),
    ("R23", "warmed", no_step_in_a_branch),
    ("R18", "descent", sign_lost),
    ("R18 R19", "augmented", softmax_over_the_batch),
    ("R23", "warmed", head_hears_a_copy),
    ("R23", "codes", reader_without_gradient),
    ("R32", "warmed", eval_from_the_second_epoch),
    ("R32", "warmed", validated_in_training_mode),
    ("R36", "warmed", no_warm_up),
    ("R36", "tied", warm_up_for_ever),
    ("R36", "fours", called("rate of 0.1", rate(0.1))),
    ("R36", "codes", called("rate of 2e-6", rate(2e-6))),
    ("R28 R35", "eights", biases_far_below),
    ("R30 B2", "fours", dropped),
    ("R30 B2", "descent", called("weight decay of 0.3", grouped(weight_decay=0.3))),
    ("R13", "augmented", turned_and_mirrored),
    ("R11", "fours", called("all in a batch", batches_of(1200))),
    ("R24", "fours", no_room),
    ("R09", "warmed", called("24 samples", few_samples(24))),
    ("R34 R29 R36", "descent", called("momentum of 0.999", grouped(momentum=0.999))),
    ("R34 R29 R36", "tied", called("eps of 10", grouped(eps=10.0))),
    ("R34 R29 R36", "augmented", called("betas changed over", grouped(betas=(0.999, 0.9)))),
    ("R36", "warmed", called("batches of 2", batches_of(2))),
    ("R32", "warmed", slow_statistics),
    ("R36 R30 B2", "descent", clipped_to_nothing),
    ("R37", "warmed", log_in_half),
    ("R20", "fours", image_again_drowns),
    ("R04", "descent", called("labels shuffled from the third epoch", labels_shuffled_from(3))),
    ("R15", "augmented", validated_on_raw_pixels),
    ("R22", "codes", state_of_the_last_batch),
    ("R02 R03", "plateau", noise_is_read),
    ("R21", "descent", scored_against_itself),
    ("R31", "eights", called("one epoch", for_epochs(1))),
    ("R31", "plateau", called("two epochs", for_epochs(2))),
)
"""Reasons, the trainings, and the slip: see `every_slip.TABLE`."""
