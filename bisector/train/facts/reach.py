"""Facts about how much of a sample the outputs hear of, and how much of what they say is chance."""

import math
from typing import Any

import torch
from torch import nn

from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.facts.traced import seeded
from bisector.train.probes.tensors import first_tensor

Facts = dict[str, Any]
ASKED = 4
"""Random sums of the outputs whose slope is taken."""
PASSES = 4
"""Passes of one batch in training mode."""
FADED = 1e-7
"""Of the largest slope: the rounding of single precision, in which what is less is lost."""
FEWEST = 4
"""Places below which a share says little."""


def reach(scene: Scene) -> Facts:
    """By place of a sample, the slope of the untrained outputs, as a share of the largest.

    Of token numbers, the slope by what the first table of vectors gives for them.

    Raises:
        Absent: no slope can be had, or a sample is a few numbers.
    """
    x, y = scene.batch()
    model = scene.model(training=False)
    found = slopes(model, x)
    if found.numel() < FEWEST or not found.isfinite().all() or not found.max() > 0:
        raise Absent("the outputs have no slope, or a sample is a few numbers")
    share = (found / found.max()).flatten()
    there = share[share > 0]
    return {
        "places": share.numel(),
        "faded": (share < FADED).float().mean().item(),
        "nothing": (share == 0).float().mean().item(),
        "least": there.min().item(),
        "one_answer": y.numel() == len(y),
        "share": share[:: max(1, share.numel() // 64)].tolist(),
    }


def slopes(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """By place, the root mean square over samples and random sums of the outputs."""
    leaves: list[torch.Tensor] = []
    hooks = [] if x.is_floating_point() else tables(model, leaves)
    if x.is_floating_point():
        x = x.clone().requires_grad_()
        leaves.append(x)
    try:
        # A recurrent layer of cuDNN has no way back in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            out = first_tensor(model(x))
    finally:
        for hook in hooks:
            hook.remove()
    if out is None or not out.requires_grad or len(leaves) != 1:
        raise Absent("the outputs have no slope by the inputs")
    rng = torch.Generator().manual_seed(0)
    total = torch.zeros_like(leaves[0])
    for _ in range(ASKED):
        weights = torch.randn(out.shape, generator=rng).to(out)
        (slope,) = torch.autograd.grad(out, leaves, weights, retain_graph=True)
        total += slope.square()
    by_place = total.mean(0)
    return (by_place if x.is_floating_point() else by_place.mean(-1)).sqrt()


def tables(model: nn.Module, leaves: list[torch.Tensor]) -> list[Any]:
    """Cut the graph behind the first table of vectors; what it gives is kept."""

    def cut(_module: nn.Module, _args: object, out: torch.Tensor) -> torch.Tensor | None:
        if leaves:
            return None
        leaves.append(out.detach().requires_grad_())
        return leaves[0]

    return [m.register_forward_hook(cut) for m in model.modules() if isinstance(m, nn.Embedding)]


@torch.no_grad()
def chance(scene: Scene) -> Facts:
    """How far outputs differ from pass to pass in training mode, and from sample to sample.

    And whether a pass gives something else after one of other samples: then a pass leaves something
    behind. `told` is how far outputs differ between samples where all draws are the same.
    """
    x, _ = scene.batch()
    if len(x) < FEWEST:
        raise Absent(f"a batch has fewer than {FEWEST} samples")
    model = scene.model(training=True)
    if x.is_floating_point() and _given(model, x).shape == x.shape:
        raise Absent("outputs are of the inputs' shape: it may be made to draw them")
    outs = torch.stack([_given(seeded(model, seed), x) for seed in range(PASSES)])
    noise = outs.var(0).mean().item()
    signal = max(outs.mean(0).var(0).mean().item() - noise / PASSES, 0.0)
    quiet = scene.model(training=False)
    first, others, second = (_given(seeded(quiet), part) for part in (x, x.flip(0), x))
    size = max(first.abs().max().item(), 1e-12)
    same = torch.equal(x, x.flip(0))
    return {
        "noise": noise,
        "signal": signal,
        "share": noise / (noise + signal) if noise + signal > 0 else 0.0,
        "carried": (first - second).abs().max().item() / size,
        "told": math.inf if same else (first - others).abs().max().item() / size,
    }


def _given(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    out = first_tensor(model(x))
    if out is None or len(out) != len(x):
        raise Absent("the model gives no tensor with a row for each sample")
    return out.float()
