"""More pieces that a user names by `_target_`: what goes wrong in mid-run, by a schedule, or in a wrapper."""

from collections.abc import Iterable

import torch
from bisector.recipes.charlm import CharTransformer
from bisector.recipes.charlm import scores as text_scores
from bisector.recipes.digits import CrossEntropy, Digits, SmallCNN
from bisector.recipes.tabular import MLP, BreastCancer
from run_gallery import Rows
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import LambdaLR, StepLR

from bisector.train.schedule import WarmupCosine


class DrawnLabels(Digits):
    """Three in four labels were drawn by annotators in a hurry."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(2)
        x, y = self.train.tensors
        drawn = torch.randint(10, y.shape, generator=rng)
        self.train.tensors = (x, torch.where(torch.rand(y.shape, generator=rng) < 0.75, drawn, y))


class Turned:
    """Turned by any quarter, and mirrored: digits are not the same then."""

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        turns = torch.randint(4, (len(x),), generator=rng)
        x = torch.stack([image.rot90(int(t), (1, 2)) for image, t in zip(x, turns, strict=True)])
        mirrored = torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5
        return torch.where(mirrored, x.flip(3), x), y


class StoppedInTheMiddle(WarmupCosine):
    """From a third of the steps on the weights are frozen, for a second stage that never comes."""

    def step(self, *args: object) -> None:
        super().step()
        if self.last_epoch == 80:
            for group in self.optimizer.param_groups:
                group["lr"] = 0.0
                group["initial_lr"] = 0.0
            self.base_lrs = [0.0 for _ in self.base_lrs]


class DecayGrows(WarmupCosine):
    """The decay is raised by each step."""

    def step(self, *args: object) -> None:
        super().step()
        for group in self.optimizer.param_groups:
            group["weight_decay"] = 0.6 * self.last_epoch


def by_batches(optimizer: torch.optim.Optimizer, **_: object) -> StepLR:
    """Each three epochs a tenth, and an epoch is a batch here."""
    return StepLR(optimizer, 3, 0.1)


def off_by_its_unit(optimizer: torch.optim.Optimizer, steps: int, **_: object) -> LambdaLR:
    """A warm-up over thousands of steps, where there are hundreds."""
    return LambdaLR(optimizer, lambda n: (n + 1) / 40_000)


class NeverForgets(torch.optim.Adam):
    """`zero_grad` is left for the caller to call on the model, who leaves it to the optimizer."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Nothing."""


def uphill(params: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float) -> torch.optim.SGD:  # fmt: skip
    return torch.optim.SGD(params, lr, momentum, weight_decay=weight_decay, maximize=True)


class Smothered(SmallCNN):
    """Gradients are clamped in hooks, for a model whose gradients were larger."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        for p in (*self.stem.parameters(), *self.large.parameters(), *self.halve.parameters()):
            p.register_hook(lambda g: 1e-12 * g)


class HalfInEvaluation(MLP):
    """The first half is computed without a graph, to save memory."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = self.layers[:-1](x)
        return self.layers[-1](h)


class StartsAnywhere(Rows):
    """The state begins at random, in evaluation too."""

    def forward(self, x: Tensor) -> Tensor:
        begun = 4 * torch.randn(1, len(x), self.rnn.hidden_size)
        return self.head(self.rnn(x.view(len(x), 8, 8), begun)[0][:, -1])


class TurnedRound(Rows):
    """Batch and time are exchanged by `view` where `transpose` was meant."""

    def __init__(self, width: int = 32) -> None:
        super().__init__(width)
        self.rnn.batch_first = False

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x.reshape(8, len(x), 8))[0][-1])


class UnitLength(MLP):
    """What is given to the last layer has length 1; samples that switch all units off have none."""

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.layers[:-1](x) - 0.5)
        return self.layers[-1](h / h.norm(dim=1, keepdim=True))


class Flattened(CharTransformer):
    """Layer norm with an epsilon that was meant for the optimizer's schedule."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e6


class DropsMoreAndMore(SmallCNN):
    """Dropout by the number of batches so far: one in a hundred more by each."""

    passes = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.passes += 1
            self.dropout.p = min(0.97, self.passes / 40)
        return super().forward(x)


class Penalised(CrossEntropy):
    """Scores are to be small: ten times the mean square."""

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        return super().forward(logits, y) + 40 * logits.square().mean()


def scores_of_the_least(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """The least probable symbol."""
    return text_scores(logits, y) | {"acc": (logits.argmin(-1) == y).float().mean()}


class NoiseForMeasurements(BreastCancer):
    """The columns were read from the wrong sheet."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(2)
        for split in (self.train, self.val):
            x, y = split.tensors
            split.tensors = (torch.randn(x.shape, generator=rng), y)
