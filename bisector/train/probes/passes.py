"""Counts forward passes through a model, by its mode."""

from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from bisector.train.probes.guard import Guard, bare


class Passes:
    """One hook on the model itself, which stays; it counts on the host and looks at no tensor.

    A module with a hook is called by a longer way, some microseconds each time, so the hook is there
    only where the counts tell something: where the mode makes a difference, or nothing else tells
    of steps.
    """

    def __init__(
        self, model: nn.Module, guard: Guard = bare, *, hooked: bool = True, timed: bool = False
    ) -> None:
        self._named = list(model.named_modules())
        self.sensitive = [n for n, m in self._named if sensitive(m)]
        """The modules that do something else in training than in evaluation."""
        self.forwards = {"train": 0, "train_no_grad": 0, "eval": 0, "eval_no_grad": 0}
        self._model = model
        self._heard = guard(self._forward) if hooked and (timed or self.sensitive) else None
        self._hook: RemovableHandle | None = None

    def begin(self) -> None:
        """Count from now on; without the hook only what is told."""
        if self._heard is not None:
            self._hook = self._model.register_forward_pre_hook(self._heard)

    def pause(self) -> None:
        """Count no more."""
        if self._hook is not None:
            self._hook.remove()

    def _forward(self, model: nn.Module, _: Any) -> None:
        mode = "train" if model.training else "eval"
        self.forwards[mode if torch.is_grad_enabled() else f"{mode}_no_grad"] += 1

    def counts(self) -> dict[str, Any]:
        """All counts so far, and the modules whose mode is not the model's."""
        training = self._model.training
        apart = [n for n, m in self._named if m.training != training]
        return {"forwards": dict(self.forwards), "other_mode": apart}


def sensitive(module: nn.Module) -> bool:
    """Whether a module's mode makes a difference."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        return bool(module.dropout)
    return isinstance(module, nn.modules.batchnorm._BatchNorm)
