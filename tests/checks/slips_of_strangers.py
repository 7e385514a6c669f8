"""More slips as people make them, written when the checks stood, before anybody looked whether they see them."""

import copy

import torch
from slips_of_steps import Slip
from strangers import Around, Job, validate_the_mean
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader, Dataset

# --- rates, schedules, optimizers ----------------------------------------------------------------


def one_cycle_by_epoch(job: Job) -> None:
    """Made for batches, and stepped once an epoch: it stays at a 25th of the rate."""
    rate = job.optimizer.param_groups[0]["lr"]
    job.scheduler = schedules.OneCycleLR(job.optimizer, rate, 100 * len(job.loader))
    job.by_step = False


def growing_by_batch(job: Job) -> None:
    """A factor that was to be below 1."""
    job.scheduler = schedules.ExponentialLR(job.optimizer, 1.05)
    job.by_step = True


def plateau_by_batch(job: Job) -> None:
    """It is told the loss of each batch, and has no patience."""
    plateau = schedules.ReduceLROnPlateau(job.optimizer, factor=0.5, patience=0)
    inner, job.scheduler, job.by_step = job.step, None, False

    def step(x: Tensor, y: Tensor) -> float:
        loss = inner(x, y)
        plateau.step(loss)
        return loss

    job.step = step


def momentum_of(value: float) -> Slip:
    def momentum_too_high(job: Job) -> None:
        for group in job.optimizer.param_groups:
            group["momentum"] = value

    return momentum_too_high


def epsilon_of_ten(job: Job) -> None:
    """Adam's epsilon, taken for a kind of rate."""
    for group in job.optimizer.param_groups:
        group["eps"] = 10.0


def adadelta_at_adams_rate(job: Job) -> None:
    job.optimizer = torch.optim.Adadelta(job.model.parameters(), 1e-3)
    job.scheduler = None


def clipped_by_value(job: Job) -> None:
    backward = job.backward
    job.backward = lambda loss: (
        backward(loss), nn.utils.clip_grad_value_(job.model.parameters(), 1e-6),
    )  # fmt: skip


def divided_by_the_set(job: Job) -> None:
    """The mean is divided by the number of samples once more."""
    loss, size = job.loss, len(job.loader.dataset)
    job.loss = lambda out, y: loss(out, y) / size


def summed_over_a_step(job: Job) -> None:
    """Eight batches are added up, none is divided by eight, and it is plain SGD at a large rate."""
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.3, 0.9)
    job.scheduler = None
    job.zero = lambda: job.optimizer.zero_grad() if job.steps % 8 == 0 else None
    job.update = lambda: job.optimizer.step() if job.steps % 8 == 7 else None


def steps_where_it_fits(job: Job) -> None:
    """A scaler by hand: the gradient is scaled up, and no step is made where it overflows."""
    backward = job.backward
    job.backward = lambda loss: backward(loss * 1e30)

    def update() -> None:
        norms = [p.grad.square().sum() for p in job.model.parameters() if p.grad is not None]
        if torch.stack(norms).sum().isfinite():
            job.optimizer.step()

    job.update = update


def reloaded_each_epoch(job: Job) -> None:
    """ "Best" weights are loaded before each epoch, and were only ever stored before the first."""
    best, begin = copy.deepcopy(job.model.state_dict()), job.begin_epoch
    job.begin_epoch = lambda: (begin(), job.model.load_state_dict(best))


# --- losses and targets --------------------------------------------------------------------------


class OverTheBatch(nn.Module):
    """A softmax over the samples."""

    def forward(self, out: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(out.log_softmax(0), y)


def softmax_over_the_batch(job: Job) -> None:
    job.criterion = OverTheBatch()


def negated(job: Job) -> None:
    """A reward is minimised, or a cost maximised."""
    loss = job.loss
    job.loss = lambda out, y: -loss(out, y)


def softmax_before_cross_entropy(job: Job) -> None:
    job.model = nn.Sequential(job.model, nn.Softmax(1))


def nearly_all_smoothed(job: Job) -> None:
    """A smoothing of 0.95, where 0.05 was meant."""
    job.criterion = nn.CrossEntropyLoss(label_smoothing=0.95)


def one_class_weighs(job: Job) -> None:
    """Class weights of which one is set, and the others are nearly nothing."""
    weight = torch.full((10,), 1e-6)
    weight[3] = 1.0
    job.criterion = nn.CrossEntropyLoss(weight=weight)


def entropy_rewarded(job: Job) -> None:
    """A bonus on the entropy of the outputs, ten times too large."""
    loss = job.loss

    def with_bonus(out: Tensor, y: Tensor) -> Tensor:
        logs = out.log_softmax(1)
        return loss(out, y) + 10 * (logs.exp() * logs).sum(1).mean()

    job.loss = with_bonus


def targets_without_a_column(job: Job) -> None:
    """[N] against outputs of [N, 1]: every output is compared with every target."""
    x, y = job.loader.dataset.tensors
    job.loader = DataLoader(torch.utils.data.TensorDataset(x, y[:, 0]), 32, shuffle=True)


class Changed(Dataset[tuple[Tensor, Tensor]]):
    """A data set whose samples go through a line of somebody's code."""

    def __init__(self, inner: Dataset[tuple[Tensor, ...]], line) -> None:
        self.inner, self.line = inner, line

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.line(number, *self.inner[number])


def _changed(job: Job, line, *, shuffle: bool = True) -> None:
    job.loader = DataLoader(Changed(job.loader.dataset, line), job.loader.batch_size, shuffle)


def target_of_the_next(job: Job) -> None:
    """Two lists that are off by one."""
    inner = job.loader.dataset
    _changed(job, lambda n, x, y: (x, inner[(n + 1) % len(inner)][1]))


def sorted_by_class(job: Job) -> None:
    inner = job.loader.dataset
    order = sorted(range(len(inner)), key=lambda n: int(inner[n][1]))
    job.loader = DataLoader(torch.utils.data.Subset(inner, order), job.loader.batch_size)


def another_numbering(job: Job) -> None:
    """Classes are numbered as they are met, which differs between the splits."""
    count = 1 + max(int(y) for _, y in job.loader.dataset)
    _changed(job, lambda n, x, y: (x, (y + 1) % count))


def new_order_of_pixels(job: Job) -> None:
    """An augmentation that leaves nothing in its place."""
    _changed(job, lambda n, x, y: (x.reshape(-1)[torch.randperm(x.numel())].view_as(x), y))


def noise_in_the_loop(job: Job) -> None:
    """Noise on the inputs, in units of another set."""
    step = job.step
    job.step = lambda x, y: step(x + 30 * torch.randn_like(x), y)


# --- models --------------------------------------------------------------------------------------


class TwoHeads(nn.Module):
    """A net with an auxiliary head, which is what training gives out."""

    def __init__(self, inner: nn.Sequential) -> None:
        super().__init__()
        self.body, self.head = inner[:-1], inner[-1]
        self.auxiliary = nn.Linear(self.head.in_features, self.head.out_features)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        out: Tensor = self.auxiliary(h) if self.training else self.head(h)
        return out


def other_head_is_trained(job: Job) -> None:
    job.model = TwoHeads(job.model)
    job.optimizer = type(job.optimizer)(job.model.parameters(), 1e-3)
    job.scheduler = None


def thresholded(job: Job) -> None:
    """Units that are on or off, which have no slope."""
    job.model[3] = Around(job.model[3], lambda _, x: (x > 0).float())


def rounded(job: Job) -> None:
    job.model.rnn = Around(job.model.rnn, lambda rnn, x: (rnn(x)[0].round(), None))


def batch_first_forgotten(job: Job) -> None:
    """The sequence runs over the samples of the batch."""
    job.model.rnn = nn.LSTM(8, 48)
    job.optimizer = torch.optim.RMSprop(job.model.parameters(), 2e-3)
    job.scheduler = None


def reads_the_first_row(job: Job) -> None:
    """The state after the first row of eight, instead of the last."""
    job.model.head = Around(job.model.head, lambda head, h: head(h))
    job.model.rnn = Around(job.model.rnn, lambda rnn, x: (rnn(x)[0][:, :1], None))


def state_of_the_last_batch(job: Job) -> None:
    """The recurrent state goes on from batch to batch, detached, through shuffled samples."""
    held: list[Tensor] = []

    def line(rnn: nn.LSTM, x: Tensor) -> object:
        fits = held and held[0].shape[1] == len(x)
        out, (h, c) = rnn(x, (held[0], held[1])) if fits else rnn(x)
        held[:] = [h.detach(), c.detach()]
        return out, None

    job.model.rnn = Around(job.model.rnn, line)


def all_weights_uniform(job: Job) -> None:
    """`uniform_` from 0 to 1."""
    for p in job.model.parameters():
        if p.ndim > 1:
            nn.init.uniform_(p)


def all_weights_alike(job: Job) -> None:
    for p in job.model.parameters():
        nn.init.constant_(p, 0.05)


def gain_of_ten(job: Job) -> None:
    for p in job.model.parameters():
        if p.ndim > 1:
            nn.init.xavier_normal_(p, 10.0)


def deep_rectified(job: Job) -> None:
    """Thirty layers in a row, nothing around them."""
    layers = [m for _ in range(30) for m in (nn.Linear(32, 32), nn.ReLU())]
    job.model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), *layers, nn.Linear(32, 2))
    job.optimizer = torch.optim.Adam(job.model.parameters(), 1e-3)


class Doubling(nn.Module):
    """A residual block whose way around it is taken twice."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x + F.relu(self.inner(x))


def residuals_that_double(job: Job) -> None:
    blocks = [Doubling(64) for _ in range(16)]
    job.model = nn.Sequential(nn.Linear(30, 64), *blocks, nn.Linear(64, 2))
    job.optimizer = torch.optim.SGD(job.model.parameters(), 0.05, 0.9)
    job.scheduler = None


def dropout_kept_for_dropped(job: Job) -> None:
    """`p` taken for what is kept."""
    for layer in job.model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.95


def averaged_too_slowly(job: Job) -> None:
    """What is validated is a mean over weights that has hardly left where it began."""
    validate_the_mean(job, 0.9999).update_parameters(job.model)


# --- numbers that are none -----------------------------------------------------------------------


def masked_off_by_one(job: Job) -> None:
    """A mask that hides each place from itself, so that the first sees nothing at all."""

    def line(body: nn.Module, x: Tensor, mask: Tensor, is_causal: bool) -> object:
        t = x.shape[1]
        return body(x, mask=torch.full((t, t), float("-inf")).triu(0))

    job.model.body = Around(job.model.body, line)


def nothing_times_its_logarithm(job: Job) -> None:
    """The divergence from targets that are 0 and 1, by its formula."""

    def divergence(out: Tensor, y: Tensor) -> Tensor:
        p = F.one_hot(y, out.shape[1]).float()
        return (p * (p.log() - out.log_softmax(1))).sum(1).mean()

    job.loss = divergence


def adam_in_half(job: Job) -> None:
    """All in half precision, where Adam's epsilon is nothing."""
    job.model = job.model.half()
    loss = job.loss
    job.loss = lambda out, y: loss(out.float(), y)
    for name in ("loader", "val_loader"):
        loader = getattr(job, name)
        halves = Changed(loader.dataset, lambda n, x, y: (x.half(), y))
        setattr(job, name, DataLoader(halves, loader.batch_size, shuffle=name == "loader"))
