"""Pieces that a user names by `_target_` in a recipe of our own loop, each spoilt in one way."""

from collections.abc import Iterable

import torch
from bisector.recipes.charlm import CharTransformer, PythonDocs
from bisector.recipes.digits import CrossEntropy, Digits, SmallCNN
from bisector.recipes.digits import scores as digit_scores
from bisector.recipes.tabular import MLP, BreastCancer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset, Subset, TensorDataset

# --- data -----------------------------------------------------------------------------------------


class PicturesNeverRead(Digits):
    """The files were not found, and a placeholder came in the place of each image."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(5)
        for split in (self.train, self.val):
            images, labels = split.tensors
            split.tensors = (torch.randn(images.shape, generator=rng), labels)


class NextWindow(Dataset[tuple[Tensor, Tensor]]):
    """The input of one window with the target of the one behind it."""

    def __init__(self, windows: Dataset[tuple[Tensor, Tensor]]) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows) - 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.windows[index][0], self.windows[index + 1][1]


class MisalignedDocs(PythonDocs):
    def __init__(self, length: int = 32, val_windows: int = 128) -> None:
        super().__init__(length=length, val_windows=val_windows)
        self.train, self.val = NextWindow(self.train), NextWindow(self.val)


class HalfAligned(BreastCancer):
    """From the middle on, the labels are those of the sample before."""

    def __init__(self) -> None:
        super().__init__()
        x, y = self.train.tensors
        half = len(y) // 2
        self.train = TensorDataset(x, torch.cat([y[:half], y[half:].roll(1)]))


class FewDigits(Digits):
    """Three images of each digit."""

    def __init__(self) -> None:
        super().__init__()
        labels = self.train.tensors[1]
        kept = [i for c in range(10) for i in (labels == c).nonzero().flatten()[:3].tolist()]
        self.train = Subset(self.train, kept)


class LabelsOfTheIndex(BreastCancer):
    """The label is the parity of a row's number in some table."""

    def __init__(self) -> None:
        super().__init__()
        for split in (self.train, self.val):
            x, _ = split.tensors
            split.tensors = (x, (torch.arange(len(x)) * 7919 % 13) % 2)


# --- augmentations --------------------------------------------------------------------------------


class BlendedOver:
    """A mixup whose labels stay those of the paler image."""

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return 0.25 * x + 0.75 * x[torch.randperm(len(x), generator=rng)], y


class PerBatchScale:
    """Each feature by its deviation in the batch, squared by oversight of its root: none is left of some."""

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        hidden = x.masked_fill(torch.rand(x.shape[1], generator=rng) < 0.03, 0.0)
        return hidden / hidden.std(0), y


# --- models ---------------------------------------------------------------------------------------


class MeanFirst(SmallCNN):
    """Pooled over the image before the first layer and not behind the last."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mean((2, 3), keepdim=True).expand_as(x))


class BoundedMLP(MLP):
    """Scores between -.1 and .1."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.1 * torch.tanh(super().forward(x))


class ReadNothing(CharTransformer):
    """The embedding is kept as it is by a hook left behind."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        for module in self.blocks.modules():
            for p in module.parameters(recurse=False):
                p.register_hook(torch.zeros_like)


class AlwaysDropped(SmallCNN):
    """Functional dropout that is told nothing of evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.small(self.halve(self.large(self.stem(x)))).mean((2, 3))
        return self.head(F.dropout(x, 0.6))


class SlowStatistics(SmallCNN):
    """Batch norm with the momentum of a paper, which counts the other way round."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options | {"batch_norm": True})
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.001


class FarBiases(MLP):
    """Biases from a checkpoint in other units."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.constant_(layer.bias, 12.0)


class LongTanh(nn.Module):
    """A plain recurrent net over pixels in pairs, its recurrent weights small."""

    def __init__(self, gain: float = 0.15) -> None:
        super().__init__()
        self.rnn, self.head = nn.RNN(2, 32, batch_first=True), nn.Linear(32, 10)
        nn.init.orthogonal_(self.rnn.weight_hh_l0, gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x.reshape(len(x), 32, 2))[0][:, -1])


class LastGate(nn.Module):
    """An LSTM over rows."""

    def __init__(self, forget: float = 1.0, width: int = 32) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(8, width, batch_first=True), nn.Linear(width, 10)
        with torch.no_grad():
            self.rnn.bias_ih_l0[width : 2 * width] = forget
            self.rnn.bias_ih_l0[:width] += 0 if forget < 10 else -forget

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x.reshape(len(x), 8, 8))[0][:, -1])


# --- losses and metrics ---------------------------------------------------------------------------


class LateLogarithm(CrossEntropy):
    """The logarithm of what a softmax rounds to nothing once the scores are far apart."""

    def of_samples(self, log_p: Tensor, targets: Tensor) -> Tensor:
        p = (40 * log_p).softmax(1)
        return -(targets * p.log()).sum(1) / 40


class OneClassUncounted(nn.CrossEntropyLoss):
    """The padding index of another data set is a class of this one."""

    def __init__(self, **_: object) -> None:
        super().__init__(ignore_index=4)


def scores_by_column(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Which sample is most like the class, and not which class the sample."""
    best = logits.argmax(0).repeat(len(y) // logits.shape[1] + 1)[: len(y)]
    return digit_scores(logits, y) | {"acc": (best == y).float().mean()}


# --- optimizers and schedules ---------------------------------------------------------------------


class NeverAhead(torch.optim.SGD):
    """Lookahead (k = 6) that goes back to its slow weights and never moves these."""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.05, momentum: float = 0.9,
                 weight_decay: float = 0.0, alpha: float = 0.0) -> None:  # fmt: skip
        super().__init__(params, lr, momentum, weight_decay=weight_decay)
        self.alpha, self.taken = alpha, 0
        self.slow = [p.detach().clone() for group in self.param_groups for p in group["params"]]

    @torch.no_grad()
    def step(self, closure: object = None) -> None:
        super().step()
        self.taken += 1
        if self.taken % 6 == 0:
            fast = [p for group in self.param_groups for p in group["params"]]
            for p, slow in zip(fast, self.slow, strict=True):
                p.copy_(slow.lerp_(p, self.alpha))


def without_decay(params: Iterable[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:  # fmt: skip
    """Groups with and without decay; vectors fall between."""
    matrices = [p for p in params if p.ndim == 4]
    return torch.optim.AdamW(matrices, lr, weight_decay=weight_decay)


class Restarted(LambdaLR):
    """From the middle on the rate is so many times as large."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, steps: int, times: float, warmup: float = 0
    ) -> None:
        super().__init__(optimizer, lambda n: times if n > steps // 2 else min(1.0, (n + 1) / 10))
