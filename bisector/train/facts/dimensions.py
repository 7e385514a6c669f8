"""Facts about axes: does a sample, and a position, see only what it may?"""

from typing import Any

import torch
from torch import nn

from bisector.train.facts.outputs import class_axis
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.facts.traced import Traced, seeded, trace

Facts = dict[str, Any]
FEWEST = 4
"""Samples or positions below which nothing can be exchanged."""


@torch.no_grad()
def independence(scene: Scene) -> Facts:
    """Whether the outputs of the first and the last sample depend on those between them."""
    x, _ = scene.batch()
    others, _ = scene.batch(min(1, len(scene.batches) - 1))
    rows = min(len(x), len(others))
    if rows < FEWEST:
        raise Absent(f"a batch has fewer than {FEWEST} samples")
    model = scene.model(training=False)
    mixed = torch.cat([x[:1], others[1 : rows - 1], x[rows - 1 : rows]])
    one, two = (trace(seeded(model), part) for part in (x[:rows], mixed))
    name, before = first_difference(one, two)
    facts: Facts = {
        "batch": rows,
        "outputs": list(one[-1][2].shape),
        "change": difference(one[-1][2], two[-1][2]),
        "module": name,
        "before": before,
        "prime": 7 if rows > 7 else 3,
    }
    return facts | prime_batch(model, x, one[-1][2], facts["prime"])


def prime_batch(model: nn.Module, x: torch.Tensor, whole: torch.Tensor, size: int) -> Facts:
    """What becomes of a batch of a prime number of samples."""
    try:
        few = model(x[:size])
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        return {"raises": " ".join(str(error).split())[:200]}
    return {"raises": "", "prime_outputs": list(few.shape), "outputs_of": list(whole.shape)}


def difference(one: torch.Tensor, two: torch.Tensor) -> float:
    """The largest change of the first and the last sample, in units of their own size."""
    one, two = (torch.stack([t[0], t[-1]]).float() for t in (one, two))
    return (one - two).abs().max().item() / max(one.abs().max().item(), 1e-12)


def first_difference(one: list[Traced], two: list[Traced]) -> tuple[str, bool]:
    """The first module whose output differs for the kept samples, and whether its input did."""
    for (name, given, out), (_, other, two_out) in zip(one, two, strict=False):
        if out.shape == two_out.shape and len(out) and difference(out, two_out) > 1e-4:
            entered = given is not None and other is not None and given.is_floating_point()
            return name, bool(entered and difference(given, other) > 1e-4)  # type: ignore[arg-type]
    return "", False


@torch.no_grad()
def causality(scene: Scene) -> Facts:
    """Whether outputs depend on tokens that come later, where those are what is to be predicted."""
    x, y = scene.batch()
    tokens = x.ndim == 2 and x.shape == y.shape and not x.is_floating_point()
    if not tokens or x.shape[1] < FEWEST or not (x[:, 1:] == y[:, :-1]).float().mean() > 0.98:
        raise Absent("targets are not the next token of each position")
    half = x.shape[1] // 2
    changed = torch.cat([x[:, :half], x.roll(1, 0)[:, half:]], 1)
    model = scene.model(training=False)
    one, two = (trace(seeded(model), part) for part in (x, changed))
    last = one[-1][2]
    if class_axis(last, y) != 2:
        raise Absent(f"outputs {list(last.shape)} are not scores by sample and position")
    changes = [
        (name, earlier(a, b, x.shape, half))
        for (name, _, a), (_, _, b) in zip(one, two, strict=True)
    ]
    return {
        "length": x.shape[1],
        "changed_from": half,
        "change": changes[-1][1],
        "module": next((name for name, change in changes if change > 1e-4), ""),
    }


def earlier(one: torch.Tensor, two: torch.Tensor, shape: torch.Size, half: int) -> float:
    """The largest change at the positions before `half`, where an output has positions at all."""
    if one.shape != two.shape or one.shape[:2] != shape or not one.is_floating_point():
        return 0.0
    change = (one - two)[:, :half].abs().max().item()
    return change / max(one[:, :half].abs().max().item(), 1e-12)
