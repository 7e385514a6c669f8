"""Handwritten digits, 8 x 8 pixels, by a small convolutional network.

The 1,797 images come with scikit-learn. Everything that an experiment on them can switch on
stands in this file: augmentations, regularisers, losses, pieces of the model.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import TensorDataset

CLASSES = 10


# --- data ---------------------------------------------------------------------------------------


class Digits:
    """Two thirds of the images to train on, one third to evaluate on; always the same split.

    Images are [1, 8, 8] floats with mean 0 and standard deviation 1 over the training images;
    targets are class numbers.
    """

    def __init__(self) -> None:
        x, y = load_digits(return_X_y=True)
        images = torch.tensor(x, dtype=torch.float32).view(-1, 1, 8, 8)
        labels = torch.tensor(y)
        train, val = train_test_split(range(len(y)), test_size=1 / 3, random_state=0, stratify=y)
        images = (images - images[train].mean()) / images[train].std()
        self.train = TensorDataset(images[train], labels[train])
        self.val = TensorDataset(images[val], labels[val])


# --- augmentations: (images [B, 1, 8, 8], targets, generator) -> (images, targets) ----------------


def one_hot(targets: Tensor) -> Tensor:
    """Targets as class probabilities [B, 10], whether they were numbers or probabilities."""
    return targets if targets.ndim == 2 else F.one_hot(targets, CLASSES).float()


def rand(*shape: int, like: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers in [0, 1), drawn on the CPU so that every device sees the same."""
    return torch.rand(*shape, generator=rng).to(like.device)


class RandomShift:
    """Move a share of the images by up to `pixels` in both directions; background comes in."""

    def __init__(self, pixels: int = 1, share: float = 0.5) -> None:
        self.pixels = pixels
        self.share = share

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        n, _, height, width = x.shape
        span = 2 * self.pixels + 1
        padded = F.pad(x, [self.pixels] * 4, value=float(x.min()))
        offsets = (rand(2, n, 1, like=x, rng=rng) * span).long()
        moved = rand(n, 1, like=x, rng=rng) < self.share
        down, right = torch.where(moved, offsets, self.pixels)
        rows = down + torch.arange(height, device=x.device)
        columns = right + torch.arange(width, device=x.device)
        image = torch.arange(n, device=x.device)[:, None, None]
        return padded[image, 0, rows[:, :, None], columns[:, None, :]][:, None], y


class Mixup:
    """Blend each image and its target with another's (Zhang et al. 2018, arXiv:1710.09412)."""

    def __init__(self, alpha: float = 0.2) -> None:
        self.alpha = alpha

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        # torch's own Beta draws from the global stream only.
        beta = np.random.default_rng(int(torch.randint(2**62, (), generator=rng))).beta
        share = torch.tensor(beta(self.alpha, self.alpha, len(x)), dtype=x.dtype).to(x.device)
        other = torch.randperm(len(x), generator=rng).to(x.device)
        y = one_hot(y)
        mixed = torch.lerp(x[other], x, share.view(-1, 1, 1, 1))
        return mixed, torch.lerp(y[other], y, share.view(-1, 1))


class Cutout:
    """Hide a square of `size` pixels at a random place (DeVries & Taylor, arXiv:1708.04552)."""

    def __init__(self, size: int = 3) -> None:
        self.size = size

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        n, _, height, width = x.shape
        top, left = rand(2, n, 1, like=x, rng=rng)
        rows = torch.arange(height, device=x.device) - (top * (height - self.size + 1)).long()
        columns = torch.arange(width, device=x.device) - (left * (width - self.size + 1)).long()
        hidden_rows = (rows >= 0) & (rows < self.size)
        hidden_columns = (columns >= 0) & (columns < self.size)
        hidden = hidden_rows[:, None, :, None] & hidden_columns[:, None, None, :]
        return x.masked_fill(hidden, 0.0), y


class Noise:
    """Add Gaussian noise of standard deviation `std`."""

    def __init__(self, std: float = 0.2) -> None:
        self.std = std

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return x + self.std * torch.randn(x.shape, generator=rng).to(x.device), y


# --- model ---------------------------------------------------------------------------------------


class DropPath(nn.Module):
    """Stochastic depth: leave out the whole branch for some samples (Huang, arXiv:1603.09382)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class SqueezeExcite(nn.Module):
    """Scale each channel by what a look at the whole image says of it (Hu, arXiv:1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Linear(channels, channels // 4), nn.ReLU(), nn.Linear(channels // 4, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = 2 * self.look(x.mean((2, 3))).sigmoid()
        return x * scale[:, :, None, None]


class Block(nn.Module):
    """One convolution with a path around it."""

    def __init__(
        self, channels: int, *, batch_norm: bool, squeeze_excite: bool, drop_path: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        self.excite = SqueezeExcite(channels) if squeeze_excite else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.drop_path(self.excite(F.relu(self.norm(self.conv(x)))))
        return x + branch


class SmallCNN(nn.Module):
    """Two stages, 8 x 8 then 4 x 4 pixels, of `depth` residual blocks each; [B, 10] logits."""

    def __init__(
        self,
        *,
        width: int = 16,
        depth: int = 1,
        batch_norm: bool = False,
        squeeze_excite: bool = False,
        drop_path: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        block = partial(
            Block, batch_norm=batch_norm, squeeze_excite=squeeze_excite, drop_path=drop_path
        )
        norm = nn.BatchNorm2d if batch_norm else nn.Identity
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), norm(width), nn.ReLU())
        self.large = nn.Sequential(*(block(width) for _ in range(depth)))
        shrink = nn.Conv2d(width, 2 * width, 3, padding=1, stride=2)
        self.halve = nn.Sequential(shrink, norm(2 * width), nn.ReLU())
        self.small = nn.Sequential(*(block(2 * width) for _ in range(depth)))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.small(self.halve(self.large(self.stem(x))))
        logits: Tensor = self.head(self.dropout(x.mean((2, 3))))
        return logits


# --- losses: (logits [B, 10], targets) -> scalar ------------------------------------------------


class CrossEntropy(nn.Module):
    """Mean cross-entropy, plus `penalties`: further terms, called with the logits."""

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        penalties: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.penalties = nn.ModuleDict(penalties)

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        targets = torch.lerp(one_hot(y), torch.full_like(logits, 1 / CLASSES), self.label_smoothing)
        loss = self.of_samples(logits.log_softmax(1), targets).mean()
        for penalty in self.penalties.values():
            loss = loss + penalty(logits)
        return loss

    def of_samples(self, log_p: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample, from log-probabilities and targets, both [B, 10]."""
        return -(targets * log_p).sum(1)


class FocalLoss(CrossEntropy):
    """The focal loss (Lin et al. 2017, arXiv:1708.02002) - with a slip that is easily made.

    It should weigh down what the model is already sure of, by (1 - p)**gamma. This one, as many
    in the wild, says p**gamma: a sample is cheapest when the model is surely *wrong* about it.
    The loss falls nicely; the accuracy falls with it. `conf=digits` is about finding that out.
    """

    def __init__(
        self,
        *,
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
        penalties: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, penalties=penalties)
        self.gamma = gamma

    def of_samples(self, log_p: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample, from log-probabilities and targets, both [B, 10]."""
        return -(targets * log_p.exp() ** self.gamma * log_p).sum(1)


class ConfidencePenalty(nn.Module):
    """Reward for an undecided output: minus its entropy (Pereyra et al. 2017, arXiv:1701.06548)."""

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, logits: Tensor) -> Tensor:
        log_p = logits.log_softmax(1)
        return self.weight * (log_p.exp() * log_p).sum(1).mean()


class ZLoss(nn.Module):
    """Keeps the softmax's normaliser near 1, as in PaLM (arXiv:2204.02311)."""

    def __init__(self, weight: float = 1e-3) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, logits: Tensor) -> Tensor:
        return self.weight * logits.logsumexp(1).square().mean()


# --- metric: what the runs are judged by, whatever they were trained with -------------------------


def scores(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Plain cross-entropy and accuracy."""
    return {"loss": F.cross_entropy(logits, y), "acc": (logits.argmax(1) == y).float().mean()}
