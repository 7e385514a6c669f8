"""Facts about the backward pass: does autograd's slope agree with the loss's own?

Differences to either side in double precision, in the copy's evaluation mode, so that nothing is drawn.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from bisector.train.facts.samples import KEPT
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
STEP = 1e-6
HALF = (torch.float16, torch.bfloat16)
WRONG = 0.01
"""Relative error from which on a slope is called wrong."""
ROWS = 16
"""Samples on which the slope is taken."""
MOST = 64
"""Parameters that are looked at; of more, evenly spread ones."""


class DoublePrecision(TorchFunctionMode):
    """Computes in double precision also where the code asks for single by name.

    `coarse` tells that half precision was asked for: what is rounded so has no slope to measure.
    """

    coarse = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call the function on doubles."""
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        named = {name: doubled(value) for name, value in (kwargs or {}).items()}
        out = func(*(doubled(a) for a in args), **named)
        self.coarse |= isinstance(out, torch.Tensor) and out.dtype in HALF
        return out


def doubled(value: Any) -> Any:
    """The value in double precision, if it is single."""
    if value is torch.float32:
        return torch.float64
    single = isinstance(value, torch.Tensor) and value.dtype is torch.float32
    return value.double() if single else value


def slope(scene: Scene) -> Facts:
    """Per parameter: the derivative along one direction, by autograd and by differences."""
    x, y = (t[:ROWS].double() if t.is_floating_point() else t[:ROWS] for t in scene.batch())
    # Copied here: `deepcopy` tells tensors apart by identity, and inside they are made anew.
    model, loss = scene.model(training=False).double(), scene.loss().double()
    with DoublePrecision() as precision:
        found = slopes(model, loss, x, y)
    if precision.coarse:
        raise Absent("a part is computed in half precision, too coarse for differences")
    return found


def slopes(model: nn.Module, loss: nn.Module, x: torch.Tensor, y: torch.Tensor) -> Facts:
    """The same, in a context that computes in double precision."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    if not named:
        raise Absent("no parameter asks for a gradient")
    value = loss(model(x), y).mean()
    if (loss(model(x), y).mean() - value).abs() > 1e-10 * value.abs():
        raise Absent("the loss differs from one evaluation to the next")
    if not value.isfinite() or not value.requires_grad:
        raise Absent("the loss has no finite value and gradient")
    found = torch.autograd.grad(value, [p for _, p in named], allow_unused=True)
    stride = -(-len(named) // MOST)
    looked = [(n, p, g) for (n, p), g in list(zip(named, found, strict=True))[::stride]]

    def differ(step: float, part: tuple[str, nn.Parameter, torch.Tensor | None]) -> Facts:
        return compared(*part, loss=lambda: loss(model(x), y).mean(), step=step)

    rows = [differ(STEP, part) for part in looked]
    floor = 1e-6 * max(abs(r[which]) for r in rows for which in ("analytic", "below", "above"))
    for row, part in zip(rows, looked, strict=True):
        size = abs(row["analytic"]) + abs(row["numeric"])
        row["error"] = outside(row) / size if size > floor > 0 else 0.0
        if row["error"] > WRONG and not steady(row, differ(10 * STEP, part)):
            row["error"] = 0.0
    rows.sort(key=lambda r: -r["error"])
    return {
        "parameters": len(rows),
        "largest_error": rows[0]["error"],
        "worst": rows[:KEPT],
        "wrong": [r["name"] for r in rows if r["error"] > WRONG],
    }


def steady(row: Facts, wider: Facts) -> bool:
    """Whether steps of two sizes tell of one slope.

    Through many steps of a recurrent net with wide weights the loss is so rugged that none does.
    """
    one, two = float(row["numeric"]), float(wider["numeric"])
    return abs(one - two) <= 0.1 * (abs(one) + abs(two))


def outside(row: Facts) -> float:
    """How far autograd's slope lies outside of the slopes on either side.

    They differ where a ReLU is exactly at 0, and any slope between them is right there.
    """
    low, high = sorted((row["below"], row["above"]))
    return float(max(low - row["analytic"], row["analytic"] - high, 0.0))


@torch.no_grad()
def compared(
    name: str, p: nn.Parameter, gradient: torch.Tensor | None, *, loss: Any, step: float
) -> Facts:
    """The slope along the gradient, with some of a random direction mixed in.

    Along the gradient alone, a gradient that lacks a part would seem right.
    """
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(p.shape, generator=rng, dtype=torch.double).to(p)
    direction = noise / noise.norm()
    if gradient is not None and gradient.any():
        direction = direction / 2 + gradient / gradient.norm()
    direction /= direction.norm()
    analytic = 0.0 if gradient is None else (gradient * direction).sum().item()
    kept, here = p.clone(), loss().item()
    p.copy_(kept + step * direction)
    above = (loss().item() - here) / step
    p.copy_(kept - step * direction)
    below = (here - loss().item()) / step
    p.copy_(kept)
    found = {"analytic": analytic, "numeric": (above + below) / 2}
    return {"name": name, **found, "below": below, "above": above}
