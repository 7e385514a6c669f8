"""Benign or malignant? Thirty measurements of a cell sample, by a multilayer perceptron.

The 569 samples come with scikit-learn. Everything that an experiment on them can switch on
stands in this file: augmentations, losses, pieces of the model.
"""

from collections.abc import Iterable

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import TensorDataset

FEATURES = 30
CLASSES = 2


# --- data ---------------------------------------------------------------------------------------


class BreastCancer:
    """Two thirds of the samples to train on, one third to evaluate on; always the same split.

    Inputs are [30] floats, standardised by the training samples; targets are 0 or 1.
    """

    def __init__(self) -> None:
        x, y = load_breast_cancer(return_X_y=True)
        samples, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
        train, val = train_test_split(range(len(y)), test_size=1 / 3, random_state=0, stratify=y)
        samples = (samples - samples[train].mean(0)) / samples[train].std(0)
        self.train = TensorDataset(samples[train], labels[train])
        self.val = TensorDataset(samples[val], labels[val])


# --- augmentations: (samples [B, 30], targets, generator) -> (samples, targets) -------------------


class FeatureNoise:
    """Add Gaussian noise of `std` standard deviations of the feature."""

    def __init__(self, std: float = 0.1) -> None:
        self.std = std

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return x + self.std * torch.randn(x.shape, generator=rng).to(x.device), y


class FeatureMask:
    """Replace a share of the measurements by their mean, as if they were missing."""

    def __init__(self, share: float = 0.1) -> None:
        self.share = share

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        missing = torch.rand(x.shape, generator=rng).to(x.device) < self.share
        return x.masked_fill(missing, 0.0), y


class Mixup:
    """Blend each sample and its target with another's (Zhang et al. 2018, arXiv:1710.09412)."""

    def __init__(self, alpha: float = 0.2) -> None:
        self.alpha = alpha

    def __call__(self, x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        # torch's own Beta draws from the global stream only.
        beta = np.random.default_rng(int(torch.randint(2**62, (), generator=rng))).beta
        share = torch.tensor(beta(self.alpha, self.alpha, (len(x), 1)), dtype=x.dtype).to(x.device)
        other = torch.randperm(len(x), generator=rng).to(x.device)
        y = F.one_hot(y, CLASSES).float()
        return torch.lerp(x[other], x, share), torch.lerp(y[other], y, share)


# --- model ---------------------------------------------------------------------------------------


class Layer(nn.Module):
    """A linear layer with ReLU, and what is laid around them."""

    def __init__(self, width: int, *, skip: bool, dropout: float) -> None:
        super().__init__()
        self.skip = skip
        self.branch = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.branch(x)
        return x + branch if self.skip else branch


class MLP(nn.Module):
    """`depth` hidden layers of `width` units; [B, 2] logits."""

    def __init__(
        self,
        *,
        width: int = 32,
        depth: int = 2,
        skip: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, width),
            nn.ReLU(),
            *(Layer(width, skip=skip, dropout=dropout) for _ in range(depth - 1)),
            nn.Linear(width, CLASSES),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


# --- loss and metric: (logits [B, 2], targets [B] or [B, 2]) -> scalar ---------------------------


class CrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy, each class weighted, less that part of it which is below `flood`.

    Flooding (Ishida et al. 2020, arXiv:2002.08709) keeps the training loss from falling to zero.
    With `reduction` at `sum` the gradient grows with the batch, and so does every step that SGD
    takes: `conf=tabular` is about finding that out.
    """

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        weight: Iterable[float] = (1.0, 1.0),
        reduction: str = "mean",
        flood: float = 0.0,
    ) -> None:
        super().__init__(
            torch.tensor([*weight], dtype=torch.float32),
            label_smoothing=label_smoothing,
            reduction=reduction,
        )
        self.flood = flood

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return (super().forward(input, target) - self.flood).abs() + self.flood


def scores(logits: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Plain cross-entropy and accuracy."""
    return {"loss": F.cross_entropy(logits, y), "acc": (logits.argmax(1) == y).float().mean()}
