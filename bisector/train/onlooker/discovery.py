"""Finds the parts of a training as its first backward pass begins: what was called, what is moved.

Nothing is hooked before the program makes an optimizer. From then until that pass every call of a
module is heard; what was called from outside of any other, and holds parameters that the loss reaches,
is the model. No number is looked at.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Found:
    """The parts of a training, whose first backward pass is about to begin, or first step is made."""

    model: nn.Module
    optimizer: Optimizer | None
    """None: whichever steps first."""
    loss: nn.Module | None
    """The module that gave the loss, where one did."""
    compiled: bool
    """Whether torch.compile is used, so that nothing may be hooked inside of the model."""
    roots: Sequence[torch.Tensor]
    """Of that backward pass; empty: none was seen."""
    calls: Mapping[nn.Module, Any]
    """What the modules were called with last, without names."""


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
        self._calls: dict[nn.Module, Any] = {}
        self._optimizers: list[Optimizer] = []
        self._scalar: tuple[nn.Module, torch.Tensor] | None = None
        """The last module that gave a single number, and that number."""
        self._depth = 0
        self._thread = 0
        self._compiled = self._over = False
        self._hooks: list[Any] = []
        self._hearings: list[Hearing] = []
        self._steps: Any = None
        self._heard = guard(self._backward)

    def begin(self) -> None:
        """Wait for an optimizer to be made, and for a backward pass."""
        told = self._guard
        self._hearings = [
            Hearing(Optimizer, "__init__", told(lambda args: self._made(args[0]))),
            Hearing(torch, "compile", told(lambda _: self._compiling()), before=True),
        ]
        self._steps = register_optimizer_step_post_hook(told(self._stepped))
        backward.listen(self._heard)

    def end(self) -> None:
        """Hear nothing any more."""
        self.rest()
        if self._steps is not None:
            self._steps.remove()

    def rest(self) -> None:
        """Look for nothing any more; what steps is still heard, as its hook may be running."""
        self._over = True
        self._deafen()
        backward.unlisten(self._heard)
        for hearing in self._hearings:
            hearing.end()
        self._optimizers, self._called, self._calls, self._scalar = [], {}, {}, None

    def _deafen(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _made(self, optimizer: Optimizer) -> None:
        self._optimizers.append(optimizer)
        self._listen()

    def _listen(self) -> None:
        """Hear of every call of a module; not where torch.compile would hear it too."""
        if self._hooks or self._compiled:
            return
        self._thread = threading.get_ident()
        self._hooks = [
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
        if self._depth > 1 or not torch.is_grad_enabled():
            return
        if module not in self._called and any(p.requires_grad for p in module.parameters()):
            self._called[module] = name_of(module)
        if module in self._called:
            self._calls[module] = args

    def _leave(self, module: nn.Module, args: object, out: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self._depth = max(0, self._depth - 1)
        if self._depth == 0 and isinstance(out, torch.Tensor) and out.numel() == 1:
            self._scalar = (module, out)

    def _backward(self, roots: Sequence[torch.Tensor]) -> None:
        reached = reached_by(roots)
        holding = [o for o in self._optimizers if _held(o) & reached]
        most = max(holding, key=lambda o: len(_held(o) & reached), default=None)
        self._hand_over(reached, most, roots)

    def _stepped(self, optimizer: Optimizer, *_: object) -> None:
        if self._over:
            self._more(optimizer)
        else:
            self._hand_over(_held(optimizer), optimizer, ())

    def _hand_over(
        self, moved: set[int], optimizer: Optimizer | None, roots: Sequence[torch.Tensor]
    ) -> None:
        models = [m for m in self._called if _holds(m, moved)]
        # What a compiled function or a script of raw calls uses, nobody has seen called.
        models = models or topmost([m for m in living_modules() if _holds(m, moved)])
        module, number = self._scalar or (None, None)
        gave = module if any(root is number for root in roots) else None
        found = Found(
            model=models[0] if len(models) == 1 else Together(self._named(models)),
            optimizer=optimizer,
            loss=gave if gave not in models else None,
            compiled=self._compiled,
            roots=roots,
            calls=self._calls,
        )
        self.rest()
        self._found(found)

    def _named(self, models: Sequence[nn.Module]) -> dict[str, nn.Module]:
        named: dict[str, nn.Module] = {}
        for number, model in enumerate(models):
            name = self._called.get(model, type(model).__name__.lower()).replace(".", "_")
            named[name if name not in named else f"{name}_{number}"] = model
        return named


def reached_by(roots: Sequence[torch.Tensor]) -> set[int]:
    """The identities of the tensors to which a backward pass from `roots` brings a gradient."""
    found = {id(root) for root in roots if root.grad_fn is None}
    waiting: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        inner = {n for n, _ in node.next_functions if n is not None} - seen
        seen |= inner
        waiting += inner
    return found


def _held(optimizer: Optimizer) -> set[int]:
    return {id(p) for group in optimizer.param_groups for p in group["params"]}


def _holds(module: nn.Module, parameters: set[int]) -> bool:
    return any(id(p) in parameters for p in module.parameters())
