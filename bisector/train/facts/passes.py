"""Facts about forward passes: do they end, with layers that are the model's own, in both modes?"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from bisector.train.facts.made_up import First
from bisector.train.facts.outputs import Listener
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.facts.traced import seeded

Facts = dict[str, Any]


@dataclass(slots=True)
class Visits:
    """Which modules a forward pass goes through."""

    own: dict[int, str]
    """The model's modules by identity."""
    parameters: set[int]
    """The model's parameters by identity: a piece of a model holds nothing else."""
    inside: list[str] = field(default_factory=list)
    """The modules that have begun and not ended, outermost first."""
    foreign: dict[str, str] = field(default_factory=dict)
    """Modules with parameters that are not the model's, and inside of which module they ran."""

    def enter(self, module: nn.Module, args: object) -> None:
        """A module begins."""
        del args
        name = self.own.get(id(module))
        if name is None and any(id(p) not in self.parameters for p in module.parameters()):
            holder = self.inside[-1] if self.inside else ""
            self.foreign.setdefault(str(module).split("\n")[0], holder or "the model itself")
        self.inside.append(self.inside[-1] if name is None and self.inside else name or "")

    def leave(self, module: nn.Module, args: object, out: object) -> None:
        """A module has ended."""
        del module, args, out
        self.inside.pop()


@contextmanager
def visited(model: nn.Module) -> Iterator[Visits]:
    """Watch the forward passes made meanwhile."""
    # What stands in a plain list is not registered, but it is not made anew either.
    kept = {id(m): "" for holder in model.modules() for m in kept_in(list(vars(holder).values()))}
    parameters = {id(p) for p in model.parameters()}
    visits = Visits(kept | {id(m): n for n, m in model.named_modules()}, parameters)
    hooks = [
        register_module_forward_pre_hook(visits.enter),
        register_module_forward_hook(visits.leave),
    ]
    try:
        yield visits
    finally:
        for hook in hooks:
            hook.remove()


def kept_in(value: object) -> Iterator[nn.Module]:
    """The modules that an attribute holds."""
    if isinstance(value, nn.Module):
        yield from value.modules()
    elif isinstance(value, dict):
        yield from kept_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from kept_in(item)


@torch.no_grad()
def forward(scene: Scene) -> Facts:
    """Whether a pass in training mode ends, where it fails, and what it makes up on the way."""
    x, y = scene.batch()
    model = scene.model(training=True)
    raised, out = "", None
    with visited(model) as visits, Listener() as listener:
        try:
            out = model(x)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as e:
            raised = f"{type(e).__name__}: {' '.join(str(e).split())[:250]}"
    return {
        "raises": raised,
        "module": (visits.inside[-1] if visits.inside else "") or "the model itself",
        "foreign": list(visits.foreign),
        "foreign_in": list(visits.foreign.values()),
        "inputs": list(x.shape),
        "targets": list(y.shape),
        "outputs": list(out.shape) if isinstance(out, torch.Tensor) else [],
        "squares": [c for c in listener.calls if set(c) == {"function", "shapes"}],
    }


@torch.no_grad()
def modes(scene: Scene) -> Facts:
    """Which layers do not follow `train()` and `eval()`, and whether evaluation is random."""
    return {
        **settings(scene.shown.model, scene.model(training=True), scene.model(training=False)),
        **randomness(scene),
    }


def settings(model: nn.Module, training: nn.Module, evaluating: nn.Module) -> Facts:
    """What layers that know two modes are set to."""
    norms = [
        (n, m)
        for n, m in model.named_modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    return {
        "stuck": [n for n, m in training.named_modules() if minds(m) and not m.training],
        "loose": [n for n, m in evaluating.named_modules() if minds(m) and m.training],
        "norms": [n for n, _ in norms],
        "momenta": [0.1 if m.momentum is None else m.momentum for _, m in norms],
        "dropouts": [n for n, m in model.named_modules() if is_dropout(m)],
        "rates": [float(m.p) for m in model.modules() if is_dropout(m)],  # type: ignore[arg-type]
    }


def is_dropout(module: nn.Module) -> bool:
    """Whether it leaves out at random."""
    return isinstance(module, nn.modules.dropout._DropoutNd)


def minds(module: nn.Module) -> bool:
    """Whether training mode makes a difference that is wanted: of frozen layers it need not be."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        learns = not module.affine or module.weight.requires_grad
        return module.track_running_stats and learns
    return is_dropout(module) and bool(module.p)


def randomness(scene: Scene) -> Facts:
    """How much the outputs of one batch differ between two passes in evaluation mode."""
    x, _ = scene.batch()
    model = scene.model(training=False)
    one, two = (seeded(model, seed)(x) for seed in (0, 1))
    if not isinstance(one, torch.Tensor):
        raise Absent("the model's output is not one tensor")
    size = one.float().abs().max().item()
    return {"random": (one - two).float().abs().max().item() / max(size, 1e-12)}


def same_make(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules are made of the same parts, set alike, with nothing hung on one alone."""
    return repr(one) == repr(other) and all(
        made_as(a) == made_as(b) for a, b in zip(one.modules(), other.modules(), strict=True)
    )


def made_as(module: nn.Module) -> tuple[object, ...]:
    """What a part is set to, if it is torch's, the functions put in its own's place, and its hooks."""
    own = [n for n, value in vars(module).items() if isinstance(value, FunctionType | MethodType)]
    ours = not type(module).__module__.startswith("torch.")
    settings = {} if ours else {n: v for n, v in vars(module).items() if isinstance(v, SETTING)}
    settings.pop("training", None)
    return own, settings, len(module._forward_hooks), len(module._forward_pre_hooks)


SETTING = bool | int | float | str | None
"""What layers of torch are set to."""


@torch.no_grad()
def reload(scene: Scene) -> Facts:
    """Whether a second model, given the first one's saved state, gives what the first one gives.

    Raises:
        Absent: there is no second one, or it is not like the first: that was changed since.
    """
    if scene.shown.again is None:
        raise Absent("it was made once")
    x, _ = scene.batch()
    model, other = scene.model(training=False), copy.deepcopy(scene.shown.again()).eval()
    inner = model.module if isinstance(model, First) else model
    if not same_make(inner, other) or inner.state_dict().keys() != other.state_dict().keys():
        raise Absent("made a second time it is another model")
    lost = other.load_state_dict(inner.state_dict(), strict=False)
    for module in (*inner.modules(), *other.modules()):
        # Also of those that do not follow the mode they are told: they are looked at elsewhere.
        module.training = False
    one, two = (seeded(m)(x) for m in (inner, other))
    one, two = (part[0] if isinstance(part, tuple | list) else part for part in (one, two))
    size = one.float().abs().max().item()
    return {
        "change": (one - two).float().abs().max().item() / max(size, 1e-12),
        "missing": list(lost.missing_keys),
        "held": [
            f"{name}.{attribute}".lstrip(".")
            for name, module in inner.named_modules()
            for attribute, value in vars(module).items()
            if isinstance(value, torch.Tensor)
        ],
    }
