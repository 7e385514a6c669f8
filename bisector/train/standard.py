"""Known-good data in the place of a recipe's: what any sound model, loss and optimizer learn from.

All of it travels with packages that are installed anyway: scikit-learn's digits and tables, and the
documentation of Python itself. It is given the shape of the recipe's own inputs and targets, so the
model is the recipe's and nothing else is changed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pydoc_data.topics import topics
from typing import Any

import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import Dataset, TensorDataset

from bisector.train.alter import Pair, inputs, unfit
from bisector.train.reference import outputs_of
from bisector.train.seeding import generator

HELD_OUT = 0.25
DIGITS = 10
WINDOWS = 4000
"""Pieces of text, at most."""
TABLES: dict[int, Callable[..., Any]] = {2: load_breast_cancer, 3: load_wine}
"""Number of classes to a table that has as many."""


def standard_for(model: nn.Module, given: Pair, seed: int) -> Pair:
    """Data that `model` takes, with targets like those of `given`; ends the run if there is none."""
    x, y = (torch.as_tensor(part) for part in given.train[0])
    seen = inputs(given.train)
    outputs = outputs_of(model, seen[:2])
    is_text = not seen.is_floating_point() and seen.dtype is not torch.uint8
    if is_text:
        samples, targets = text(x, y, outputs, tokens=int(seen.max()) + 1)
    elif x.ndim == 1:
        samples, targets = table(x, y, outputs, targets_of(given.train))
    else:
        samples, targets = pictures(x, y, outputs, targets_of(given.train))
    order = torch.randperm(len(samples), generator=generator(seed, "standard"))
    held = round(HELD_OUT * len(samples))
    val, train = order[:held], order[held:]
    return Pair(
        TensorDataset(samples[train], targets[train]), TensorDataset(samples[val], targets[val])
    )


def targets_of(dataset: Dataset[Any]) -> Tensor:
    """The targets of some samples spread over a data set, [N, ...]."""
    total = len(dataset)  # type: ignore[arg-type]
    return torch.stack(
        [torch.as_tensor(dataset[i][1]) for i in range(0, total, max(1, total // 200))]
    )


# --- inputs: samples of a shape ------------------------------------------------------------------


def pictures(x: Tensor, y: Tensor, outputs: Sequence[int], known: Tensor) -> tuple[Tensor, Tensor]:
    """Handwritten digits as inputs like `x` [C, H, W], [T, F] or [...]."""
    images, labels = load_digits(return_X_y=True)
    drawn = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8)
    values, number = answers(torch.tensor(labels), y, outputs, known)
    drawn = drawn[number]
    if x.ndim == 3:
        drawn = F.interpolate(drawn, size=tuple(x.shape[1:])).expand(-1, x.shape[0], -1, -1)
    elif x.ndim == 2:
        drawn = F.interpolate(drawn, size=tuple(x.shape))[:, 0]
    else:
        unfit(f"no standard data have inputs of {x.ndim} dimensions")
    if x.dtype is torch.uint8:
        return (255 / 16 * drawn).to(torch.uint8), values
    return ((drawn - drawn.mean()) / drawn.std()).to(x.dtype), values


def table(x: Tensor, y: Tensor, outputs: Sequence[int], known: Tensor) -> tuple[Tensor, Tensor]:
    """Measurements as inputs like `x` [F]: as many principal components, or columns repeated."""
    classes = class_count(y, outputs, known)
    load = load_diabetes if classes is None else TABLES.get(classes, load_digits)
    columns, found = load(return_X_y=True)
    values, number = answers(torch.tensor(found), y, outputs, known)
    features = torch.tensor(columns, dtype=torch.float64)[number]
    spread = features.std(0)
    features = (features - features.mean(0))[:, spread > 0] / spread[spread > 0]
    axes = torch.linalg.svd(features, full_matrices=False).Vh[: len(x)]
    if len(x) < features.shape[1]:
        features = features @ axes.T
        features = features / features.std(0)
    else:
        features = features[:, torch.arange(len(x)) % features.shape[1]]
    return features.to(x.dtype), values


def text(x: Tensor, y: Tensor, outputs: Sequence[int], *, tokens: int) -> tuple[Tensor, Tensor]:
    """Python's documentation, letter by letter: what comes next, or which topic it is from."""
    length = x.shape[-1]
    if x.ndim != 1 or tokens < 3:
        unfit("no standard text has such inputs")
    if y.shape == x.shape and not y.is_floating_point():
        written = numbered("".join(topics.values()), min(tokens, outputs[-1]))
        pieces = written.unfold(0, length + 1, length)[:WINDOWS]
        return pieces[:, :-1].to(x.dtype), pieces[:, 1:].to(y.dtype)
    if y.ndim or y.is_floating_point():
        unfit("no standard text has such targets")
    longest = sorted(topics.values(), key=len)[-max(2, min(DIGITS, outputs[-1])) :]
    of_each = [
        numbered(topic, tokens, like="".join(longest)).unfold(0, length, max(1, length // 4))
        for topic in longest
    ]
    few = min(WINDOWS // len(of_each), *map(len, of_each))
    labels = torch.arange(len(of_each)).repeat_interleave(few)
    return torch.cat([each[:few] for each in of_each]).to(x.dtype), labels.to(y.dtype)


def numbered(written: str, tokens: int, like: str = "") -> Tensor:
    """Letters as numbers below `tokens`, the commonest (in `like`) first.

    0 is left to padding, and the last number to all other letters.
    """
    common = [letter for letter, _ in Counter(like or written).most_common(tokens - 2)]
    number = {letter: i for i, letter in enumerate(common, 1)}
    return torch.tensor([number.get(letter, tokens - 1) for letter in written])


# --- targets: as the recipe's loss takes them ----------------------------------------------------


def class_count(y: Tensor, outputs: Sequence[int], known: Tensor) -> int | None:
    """How many classes targets like `y` tell apart, with so many outputs; None: they are numbers."""
    if y.numel() == 1 and bool(((known == 0) | (known == 1)).all()) and outputs[-1:] in ((1,), ()):
        return 2
    if y.ndim == 0 and not y.is_floating_point() and len(outputs) == 1:
        return max(2, outputs[0])
    if y.ndim == 1 and y.is_floating_point() and is_shares(known) and len(y) > 1:
        return len(y)
    if y.is_floating_point() and y.ndim <= 1:
        return None
    return unfit("no standard data have such targets")


def is_shares(known: Tensor) -> bool:
    """Whether targets are probabilities of classes."""
    total = known.sum(-1)
    return bool((known >= 0).all() and torch.allclose(total, torch.ones_like(total), atol=1e-3))


def answers(
    found: Tensor, y: Tensor, outputs: Sequence[int], known: Tensor
) -> tuple[Tensor, Tensor]:
    """Targets like `y` for known answers, and which of the samples they belong to."""
    classes = class_count(y, outputs, known)
    if classes is None:
        scaled = (found - found.double().mean()) / found.double().std()
        spread = known.std() if len(known) > 1 else torch.ones(())
        scaled = scaled * spread + known.mean()
        return scaled.to(y.dtype).view(-1, *[1] * y.ndim).expand(-1, *y.shape), torch.arange(
            len(found)
        )
    kept = (found < classes).nonzero()[:, 0]
    labels = found[kept].long()
    if y.ndim == 1 and len(y) > 1:
        return F.one_hot(labels, classes).to(y.dtype), kept
    return labels.to(y.dtype).view(-1, *y.shape), kept
