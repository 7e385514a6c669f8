"""Facts about the untrained network: its parameters, their gradients, the signal by depth."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from bisector.train.facts.samples import KEPT
from bisector.train.facts.scene import Scene, given
from bisector.train.facts.shown import Absent
from bisector.train.facts.traced import trace

Facts = dict[str, Any]


def gradients(scene: Scene, model: nn.Module, number: int) -> dict[str, torch.Tensor | None]:
    """The loss's gradient in each parameter, on one batch."""
    x, y = scene.batch(number)
    model.zero_grad(set_to_none=True)
    value = scene.loss()(model(x), y).mean()
    if value.requires_grad:
        value.backward()
    return {name: p.grad for name, p in model.named_parameters()}


def parameters(scene: Scene) -> Facts:
    """Which parameters learn: asked for a gradient, reached by it, handed to the optimizer."""
    own = dict(scene.shown.model.named_parameters())
    model = scene.model(training=True)
    first, second = (gradients(scene, model, n) for n in (0, min(1, len(scene.batches) - 1)))
    stirred = gradients(scene, stir(model), 0)
    wanted = [n for n, p in own.items() if p.requires_grad]
    unreached = [n for n in wanted if first[n] is None and second[n] is None]
    still = [
        n
        for n in wanted
        if n not in unreached and all(is_zero(g[n]) for g in (first, second, stirred))
    ]
    return {
        "count": len(own),
        "values": sum(p.numel() for p in own.values()),
        "frozen": [n for n, p in own.items() if not p.requires_grad],
        "frozen_values": sum(p.numel() for p in own.values() if not p.requires_grad),
        "unreached": unreached,
        "still": still,
        "unregistered": list(unregistered(scene.shown.model)),
    }


def handed(scene: Scene) -> Facts:
    """Which parameters the optimizer moves, and which of them are the model's."""
    own = dict(scene.shown.model.named_parameters())
    loss = scene.shown.loss
    known = {id(p) for p in (*own.values(), *(loss.parameters() if loss else ()))}
    there = {id(p) for group in scene.optimizer.param_groups for p in group["params"]}
    groups = scene.optimizer.param_groups
    # Where a schedule begins at zero, the rate it goes by is kept beside it.
    rates = [float(g.get("initial_lr", g["lr"])) for g in groups if "lr" in g]
    return {
        "optimizer": type(scene.optimizer).__name__,
        "given": len(there),
        "strangers": len(there - known),
        "not_handed": [n for n, p in own.items() if p.requires_grad and id(p) not in there],
        "codes": [
            n for n, p in tables(scene.shown.model) if not p.requires_grad and id(p) not in there
        ],
        "rates": rates,
        "decays": [float(g.get("weight_decay", 0.0)) for g in groups],
    }


def tables(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of which a token takes a row."""
    for path, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            yield f"{path}.weight".lstrip("."), module.weight


def first_step(scene: Scene) -> Facts:
    """What one step of the optimizer would do to each weight matrix, on copies of everything.

    Raises:
        Absent: there is no finite gradient to step by.
    """
    parts = (scene.shown.model, given(scene.shown.loss, "loss"), scene.optimizer)
    model, loss, optimizer = copy.deepcopy(parts)
    for group in optimizer.param_groups:
        group["lr"] = group.get("initial_lr", group["lr"])
    x, y = scene.batch()
    model.train()
    loss(model(x), y).mean().backward()
    handed = {id(p) for group in optimizer.param_groups for p in group["params"]}
    moved = [
        (name, p, p.detach().clone(), p.grad.detach().clone())
        for name, p in model.named_parameters()
        if p.ndim > 1 and p.any() and id(p) in handed and p.grad is not None and p.grad.any()
    ]
    if not moved or not all(finite(gradient) for *_, gradient in moved):
        raise Absent("no weight matrix has a finite gradient")
    # A scheduler puts its own `step` on the instance, which is bound to the training's optimizer.
    type(optimizer).step(optimizer)
    return {
        "optimizer": type(optimizer).__name__,
        "layers": [name for name, *_ in moved],
        "ratios": [((p - old).norm() / old.norm()).item() for _, p, old, _ in moved],
        "descent": descent([(p.detach() - old, gradient) for _, p, old, gradient in moved]),
        "moved": [(p != old)[gradient != 0].float().mean().item() for _, p, old, gradient in moved],
    }


def descent(steps: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """The cosine between a step and the way straight down; 0: it does not move."""
    down = -sum((step * gradient).sum().item() for step, gradient in steps)
    lengths = [math.hypot(*(t.norm().item() for t in part)) for part in zip(*steps, strict=True)]
    return down / math.prod(lengths) if all(lengths) else 0.0


def is_zero(gradient: torch.Tensor | None) -> bool:
    """Whether there is no gradient but zero."""
    return gradient is None or not gradient.any()


@torch.no_grad()
def stir(model: nn.Module) -> nn.Module:
    """The model, its weights moved a little: a zero-initialised layer then lets gradients by."""
    rng = torch.Generator().manual_seed(0)
    for p in model.parameters():
        noise = torch.randn(p.shape, generator=rng).to(p)
        p.add_(noise * 0.1 * (p.std() if p.numel() > 1 and p.std() > 0 else 0.2))
    return model


def unregistered(model: nn.Module) -> Iterator[str]:
    """Attributes that hold layers or parameters where torch does not look for them."""
    known = {id(p) for p in model.parameters()}
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if not attribute.startswith("_") and any(
                id(p) not in known for p in hidden_parameters(value)
            ):
                yield f"{name}.{attribute}".lstrip(".")


def hidden_parameters(value: object) -> Iterator[torch.Tensor]:
    """The parameters in a plain list, tuple or dict, and tensors that ask for a gradient."""
    if isinstance(value, torch.Tensor):
        if value.is_leaf and value.requires_grad:
            yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, dict):
        for item in value.values():
            yield from hidden_parameters(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from hidden_parameters(item)


@torch.no_grad()
def signal(scene: Scene) -> Facts:
    """How far samples differ after each layer with weights, in the order of the forward pass."""
    x, _ = scene.batch()
    model = scene.model(training=True)
    weighty = {name for name, module in model.named_modules() if has_matrix(module)}
    seen = trace(model, x)
    layers = [(name, spread(out), deviation(out)) for name, _, out in seen if name in weighty]
    last = [given for name, given, _ in seen if name in weighty][-1:]
    if not layers:
        raise Absent("no layer with weights gives one tensor")
    sick = [(name or "the model itself", out) for name, _, out in seen if not finite(out)]
    return {
        "layers": [name for name, _, _ in layers],
        "spread": [s for _, s, _ in layers],
        "deviation": [d for _, _, d in layers],
        "zeroed": [is_zeroed(model.get_submodule(name)) for name, _, _ in layers],
        "reaching": min((reaching(g) for g in last if g is not None), default=1.0),
        "sick": sick[0][0] if sick else "",
        "sick_share": (~sick[0][1].isfinite()).float().mean().item() if sick else 0.0,
        "sick_samples": sick_rows(sick[0][1]) if sick else [],
    }


def is_zeroed(module: nn.Module) -> bool:
    """Whether all matrices of a layer's own are zero, as those that end a branch often start."""
    return not any(p.any() for p in module.parameters(recurse=False) if p.ndim > 1)


def reaching(given: torch.Tensor) -> float:
    """By what share of their size samples differ in what a layer is given; token numbers: 1."""
    size = given.float().square().mean().sqrt().item()
    return spread(given) / size if given.is_floating_point() and size > 0 else 1.0


def deviation(out: torch.Tensor) -> float:
    """The standard deviation of all values, those of one sample among them; as a watched run has it."""
    return out.float().std(correction=0).item()


def finite(out: torch.Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(out.isfinite().all())


def sick_rows(out: torch.Tensor) -> list[int]:
    """The first rows of a batch that hold values which are not finite."""
    rows = (~out.isfinite()).flatten(1).any(1) if out.ndim > 1 else ~out.isfinite()
    return [int(row) for row in rows.nonzero().flatten()[:KEPT]]


def has_matrix(module: nn.Module) -> bool:
    """Whether a module has weights of its own that mix values, and not just scale them."""
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def spread(out: torch.Tensor) -> float:
    """The deviation between samples, as root mean square over units; 0 for a single sample."""
    return out.float().var(0).mean().sqrt().item() if len(out) > 1 else 0.0


def weights(scene: Scene) -> Facts:
    """Weight matrices whose units all start alike, or at zero."""
    matrices = {n: p.detach() for n, p in scene.shown.model.named_parameters() if p.ndim > 1}
    if not matrices:
        raise Absent("it has no weight matrices")
    zero = [n for n, p in matrices.items() if not p.any()]
    alike = [
        n
        for n, p in matrices.items()
        if n not in zero and len(p) > 1 and p[0].numel() > 1 and (p == p[:1]).all()
    ]
    return {
        "matrices": len(matrices),
        "zero": zero[:KEPT],
        "zero_share": len(zero) / len(matrices),
        "alike": alike[:KEPT],
        "shapes": {n: list(matrices[n].shape) for n in [*zero, *alike][:KEPT]},
    }
