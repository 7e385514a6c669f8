"""Finds the parts of a training while it makes its first step: what it calls, what it moves.

Nothing is hooked before the program makes an optimizer or calls `backward`. From then until the
first step is made, every call of a module is heard; what was called from outside of any other module,
with a gradient, and holds weights that the step moves, is the model.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from bisector.train.onlooker.hearing import Hearing
from bisector.train.onlooker.names import living_modules, name_of, topmost
from bisector.train.onlooker.together import Together
from bisector.train.probes import backward
from bisector.train.probes.guard import Guard
from bisector.train.probes.passes import STALLED


@dataclass(frozen=True, slots=True)
class Found:
    """The parts of a training, and what was made before they were found."""

    model: nn.Module
    optimizer: Optimizer | None
    loss: nn.Module | None
    """The module that gave the loss, where one did."""
    compiled: bool
    """Whether torch.compile is used, so that nothing may be hooked inside of the model."""
    steps: int
    backwards: int
    losses: Sequence[torch.Tensor]


class Discovery:
    """Looks for the parts; `found` is told of them once, `more` of each other optimizer that steps."""

    def __init__(
        self,
        guard: Guard,
        found: Callable[[Found], object],
        more: Callable[[Optimizer], object],
    ) -> None:
        self._guard, self._found, self._more = guard, found, more
        self._called: dict[nn.Module, str] = {}
        """Modules with weights that were called from outside of any other, and their names."""
        self._optimizers: list[Optimizer] = []
        self._losses: list[torch.Tensor] = []
        self._backwards = 0
        self._loss: nn.Module | None = None
        self._scalar: tuple[nn.Module, torch.Tensor] | None = None
        """The last module without weights that gave a single number, and that number."""
        self._depth = 0
        self._thread = 0
        self._compiled = self._over = False
        self._calls: list[Any] = []
        self._hearings: list[Hearing] = []
        self._steps: Any = None
        self._heard_backward = guard(self._backward)

    def begin(self) -> None:
        """Wait for an optimizer to be made, or a backward pass."""
        told = self._guard
        self._hearings = [
            Hearing(Optimizer, "__init__", told(lambda args: self._made(args[0]))),
            Hearing(torch, "compile", told(lambda _: self._compiling()), before=True),
        ]
        self._steps = register_optimizer_step_post_hook(told(self._stepped))
        backward.listen(self._heard_backward)

    def end(self) -> None:
        """Hear nothing any more."""
        self._found_all()
        if self._steps is not None:
            self._steps.remove()

    def _found_all(self) -> None:
        """Look for nothing any more; what steps is still heard."""
        self._over = True
        self._deafen()
        backward.unlisten(self._heard_backward)
        for hearing in self._hearings:
            hearing.end()
        self._optimizers, self._called, self._scalar, self._losses = [], {}, None, []

    def _deafen(self) -> None:
        for hook in self._calls:
            hook.remove()
        self._calls = []

    def _made(self, optimizer: Optimizer) -> None:
        self._optimizers.append(optimizer)
        self._listen()

    def _listen(self) -> None:
        """Hear of every call of a module; not where torch.compile would hear it too."""
        if self._calls or self._compiled:
            return
        self._thread = threading.get_ident()
        self._calls = [
            register_module_forward_pre_hook(self._guard(self._enter)),
            register_module_forward_hook(self._guard(self._leave), always_call=True),
        ]

    def _compiling(self) -> None:
        self._compiled = True
        self._deafen()

    def _enter(self, module: nn.Module, args: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self._depth += 1
        if self._depth > 1 or module in self._called or not torch.is_grad_enabled():
            return
        if any(p.requires_grad for p in module.parameters()):
            self._called[module] = name_of(module)

    def _leave(self, module: nn.Module, args: object, out: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self._depth = max(0, self._depth - 1)
        if self._depth == 0 and isinstance(out, torch.Tensor) and out.numel() == 1:
            self._scalar = (module, out)

    def _backward(self, roots: Sequence[torch.Tensor]) -> None:
        self._backwards += 1
        root = roots[0]
        if root.numel() == 1:
            self._losses.append(root.detach().reshape(()))
        if self._scalar is not None and self._scalar[1] is root:
            self._loss = self._scalar[0]
        if self._backwards == STALLED:
            self._hand_over(None)
        else:
            self._listen()

    def _stepped(self, optimizer: Optimizer, *_: object) -> None:
        if self._over:
            self._more(optimizer)
        else:
            self._hand_over(optimizer)

    def _hand_over(self, optimizer: Optimizer | None) -> None:
        """Tell what was found: at the first step, or where so many passes have gone without one."""
        made = optimizer or next(iter(self._optimizers), None)
        roots = self._roots(made)
        found = Found(
            model=roots[0] if len(roots) == 1 else Together(self._named(roots)),
            optimizer=made,
            loss=self._loss if self._loss not in roots else None,
            compiled=self._compiled,
            steps=int(optimizer is not None),
            backwards=self._backwards,
            losses=self._losses,
        )
        self._found_all()
        self._found(found)

    def _roots(self, optimizer: Optimizer | None) -> list[nn.Module]:
        """The modules that were called and that the step moves, or that the loss has reached."""
        moved = _held(optimizer)
        by_others = set().union(*(_held(o) for o in self._optimizers if o is not optimizer))
        called = [m for m in self._called if _holds(m, moved)]
        called += [
            m for m in self._called if m not in called and not _holds(m, by_others) and _reached(m)
        ]
        # What a compiled function or a script of raw calls uses, nobody has seen called.
        return called or topmost([m for m in living_modules() if _holds(m, moved)])

    def _named(self, roots: Sequence[nn.Module]) -> dict[str, nn.Module]:
        named: dict[str, nn.Module] = {}
        for number, root in enumerate(roots):
            name = self._called.get(root, type(root).__name__.lower()).replace(".", "_")
            named[name if name not in named else f"{name}_{number}"] = root
        return named


def _held(optimizer: Optimizer | None) -> set[int]:
    groups = optimizer.param_groups if optimizer is not None else []
    return {id(p) for group in groups for p in group["params"]}


def _holds(module: nn.Module, parameters: set[int]) -> bool:
    return any(id(p) in parameters for p in module.parameters())


def _reached(module: nn.Module) -> bool:
    return any(p.grad is not None for p in module.parameters())
