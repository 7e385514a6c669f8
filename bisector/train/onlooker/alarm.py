"""Looks at what goes into a model at first, and for the first loss or gradient that is not finite."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import is_grad_enabled, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bisector.train.onlooker.intake import Intake
from bisector.train.onlooker.origin import THE_LOSS, Origin, finite
from bisector.train.onlooker.slopes import LARGE, Slopes
from bisector.train.probes.guard import Guard
from bisector.train.probes.watch import Watch


class Alarm:
    """One training that is watched; rings once.

    Args:
        watch: what watches it, and writes what is found.
        guard: of the hooks.
        wait: whether to read numbers from a device that makes the step wait for them.
    """

    def __init__(self, watch: Watch, guard: Guard, *, wait: bool) -> None:
        self._watch, self._wait = watch, wait
        self._origin = Origin(watch.model, _names(watch))
        self._slopes = Slopes()
        self._intake = Intake(watch.recorder)
        self._called = guard(self._call)
        self._before = guard(self._before_step)
        self._calls: Any = None
        self._steps: Any = None
        self._rung = False

    def begin(self, calls: Mapping[nn.Module, Any]) -> None:
        """Look at every step from now on, and at what is called in the one under way already."""
        for module, args in calls.items():
            self._called(module, args, {})
        self._watch.alarm = self._hear
        model = self._watch.model
        self._calls = model.register_forward_pre_hook(self._called, with_kwargs=True)
        self._steps = register_optimizer_step_pre_hook(self._before)

    def end(self) -> None:
        """Look no more."""
        self.let_go()
        if self._steps is not None:
            self._steps.remove()

    def let_go(self) -> None:
        """Hear of nothing but steps: safe to call while an optimizer calls its hooks."""
        self._watch.alarm = None
        if self._calls is not None:
            self._calls.remove()

    def _call(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if not is_grad_enabled():
            return
        self._origin.called(module, args, kwargs)
        if self._intake.left:
            self._intake.take(self._watch.step + 1, args, kwargs)

    def _hear(self, loss: torch.Tensor, value: torch.Tensor | float) -> None:
        slopes, passes = self._slopes, self._watch.backwards
        known = value if isinstance(value, float) else None
        if known is not None and slopes.tame and passes <= slopes.again and -LARGE < known < LARGE:
            return
        if self._rung or (known is None and not self._readable(loss)):
            return
        if finite(loss) if known is None else math.isfinite(known):
            slopes.read(loss, known, passes)
        else:
            self._ring(lambda: self._origin.of_loss(loss, self._watch.step))

    def _before_step(self, optimizer: Optimizer, _args: object, _kwargs: object) -> None:
        # One operation on a tensor takes a hundredth of a small net's step, as its code is in no cache.
        if self._slopes.tame or self._rung or optimizer is not self._watch.optimizer:
            return
        first = self._origin.first
        if first is None or not self._readable(first):
            return
        if self._origin.sound():
            self._slopes.forget()
        else:
            self._ring(lambda: self._origin.of_gradient(self._slopes.facts(THE_LOSS)))

    def _readable(self, tensor: torch.Tensor) -> bool:
        return self._wait or tensor.is_cpu

    def _ring(self, explain: Callable[[], Mapping[str, Any]]) -> None:
        self._rung = True
        self._watch.pause()
        self._watch.recorder.note("nonfinite", step=self._watch.step + 1, **explain())
        self._origin.forget()
        self._watch.go_on()


def _names(watch: Watch) -> dict[nn.Module, str]:
    loss = watch.loss.named_modules() if watch.loss is not None else ()
    named = {m: f"the loss's {n}" if n else "the loss" for n, m in loss}
    return named | {m: n or "the model" for n, m in watch.model.named_modules()}
