"""A loss, or a module, by itself: made-up inputs in place of data, so that the same facts serve.

Sizes are prime and all different, so that an axis taken for another one does not fit by luck.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from bisector.train.facts.outputs import Listener
from bisector.train.facts.shown import Absent, Called, Shown, Source

ROWS, CLASSES, PLACES = 13, 7, 11
KINDS = ("classes", "tokens", "binary", "numbers")
"""What a loss may be one of: see `targets`."""


def targets(kind: str, rows: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Made-up outputs and targets.

    `classes`: scores [N, C] and class numbers [N]; `tokens`: [N, T, C] and [N, T]; `binary`: one
    score [N] for zeros and ones [N]; `numbers`: [N] and [N].
    """
    if kind == "classes":
        y = torch.randperm(rows, generator=rng) % CLASSES
        return torch.randn(rows, CLASSES, generator=rng), y
    if kind == "tokens":
        y = torch.randint(CLASSES, (rows, PLACES), generator=rng)
        return torch.randn(rows, PLACES, CLASSES, generator=rng), y
    scores = torch.randn(rows, generator=rng)
    if kind == "binary":
        return scores, (torch.randperm(rows, generator=rng) % 2).float()
    return scores, torch.randn(rows, generator=rng)


def of_loss(loss: Callable[..., torch.Tensor], kind: str) -> Shown:
    """A loss, with outputs that depend on one parameter, for its gradient to be checked."""
    rng = torch.Generator().manual_seed(0)
    x, y = targets(kind, 2 * ROWS, rng)
    return Shown(
        model=Shift(x.shape[-1] if x.ndim > 1 else 1, ending(loss, x, y)),
        loss=loss if isinstance(loss, nn.Module) else Called(loss),
        train=of_tensors(x, y, ROWS),
    )


def ending(
    loss: Callable[..., torch.Tensor], x: torch.Tensor, y: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a model that goes with the loss ends with: nothing, a sigmoid or log_softmax."""
    out = x if x.ndim > 1 else x.sigmoid()
    with torch.no_grad(), Listener() as listener:
        loss(out, y)
    called = {call["function"] for call in listener.calls}
    if "binary_cross_entropy" in called:
        return torch.sigmoid
    if "nll_loss" in called and not called & {"cross_entropy", "log_softmax"}:
        return partial(torch.log_softmax, dim=-1)
    return as_it_is


def as_it_is(x: torch.Tensor) -> torch.Tensor:
    """No change."""
    return x


def kind_of(loss: Callable[..., torch.Tensor]) -> tuple[str, str]:
    """Which kind of targets a loss takes, the first that it does not refuse.

    Returns:
        The kind, and nothing; or nothing, and why it refused each.
    """
    refused = []
    for kind in KINDS:
        out, y = targets(kind, ROWS, torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                loss(out if kind != "binary" else out.sigmoid(), y)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            refused.append(f"{kind}: {' '.join(str(error).split())[:80]}")
        else:
            return kind, ""
    return "", "; ".join(refused)


def of_module(module: nn.Module, x: torch.Tensor, again: Callable[[], nn.Module] | None) -> Shown:
    """A module, with two batches like `x` [B, ...] and a loss that depends on every output."""
    rng = torch.Generator().manual_seed(1)
    other = x[torch.randperm(len(x), generator=rng)] if not x.is_floating_point() else x.flip(0)
    other = other + 0.5 * torch.randn(x.shape, generator=rng) if x.is_floating_point() else other
    both = torch.cat([x, other.to(x.dtype)])
    return Shown(
        model=module if gives_tensor(module, x) else First(module),
        loss=Projection(),
        train=of_tensors(both, torch.zeros(len(both)), len(x)),
        again=again,
    )


def made_input(shape: Sequence[int], tokens: int | None) -> torch.Tensor:
    """Normal numbers, or token numbers below `tokens`."""
    rng = torch.Generator().manual_seed(0)
    if tokens is None:
        return torch.randn(*shape, generator=rng)
    return torch.randint(tokens, tuple(shape), generator=rng)


@torch.no_grad()
def gives_tensor(module: nn.Module, x: torch.Tensor) -> bool:
    """Whether the output is one tensor, and not a tuple that begins with one.

    Raises:
        Absent: it is neither.
    """
    out = copy.deepcopy(module)(x)
    if isinstance(out, tuple | list) and out and isinstance(out[0], torch.Tensor):
        return False
    if not isinstance(out, torch.Tensor):
        raise Absent(f"the output is a {type(out).__name__}, no tensor")
    return True


def of_tensors(x: torch.Tensor, y: torch.Tensor, size: int) -> Source:
    """Samples in batches of `size`, in order."""
    return Source(TensorDataset(x, y), Batches(len(x), size))


class Batches:
    """The numbers of the samples of each batch, which can be asked for again and again."""

    def __init__(self, samples: int, size: int) -> None:
        self.numbers = [list(range(n, min(n + size, samples))) for n in range(0, samples, size)]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.numbers)


class Shift(nn.Module):
    """Adds a parameter to what it is given."""

    def __init__(self, width: int, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.end = end
        self.shift = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input, moved, as the loss wants it."""
        return self.end(x + self.shift)


class First(nn.Module):
    """The first output of a module that gives several."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> Any:
        """The first."""
        return self.module(x)[0]


class Projection(nn.Module):
    """The mean over samples of a fixed random direction in the output's values."""

    def forward(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """A scalar to which every output contributes."""
        del y
        rng = torch.Generator().manual_seed(2)
        direction = torch.randn(out[0].shape, generator=rng).to(out)
        return (out * direction).flatten(1).sum(1).mean() if out.ndim > 1 else out.mean()
