"""What is done at every single step of a watched training, which is as little as can be.

At a step the caches hold the training, not the code and the objects of who watches it: it is what
these few lines touch that costs, some ten times what they would take in a loop of their own. One
operation on a tensor would cost more than all of them. So what they touch lies together, in one object.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch.optim import Optimizer

from bisector.train.probes.rates import Rates

STALLED = 16
"""Backward passes without a step from which on this is told; few accumulate over more."""


class Pulse(ABC):
    """Follows the backward passes and steps of one training; `step` updates have been made."""

    def __init__(self, optimizer: Optimizer | None) -> None:
        self.step = self.backwards = self.passed = 0
        """`passed`: backward passes up to the last step."""
        self.due = 1
        """The next step that is looked at."""
        self.looking = False
        """Whether the step under way is."""
        self.optimizer = optimizer
        self.losses: list[torch.Tensor | float] = []
        """The roots of the backward passes since the last look, and of the step under way."""
        self.unscaled: Callable[[torch.Tensor], torch.Tensor] | None = None
        """From the root of a backward pass to the loss, where that may be scaled for half precision."""
        self.alarm: Callable[[torch.Tensor, torch.Tensor | float], None] | None = None
        """Is told the loss of each backward pass, and its value where that is known, after all else."""
        self.rates = Rates()
        self._rate: object = None

    def hear(self, roots: Sequence[torch.Tensor]) -> None:
        """A backward pass is about to begin."""
        root = roots[0]
        self.backwards = backwards = self.backwards + 1
        told = root if self.unscaled is None else self.unscaled(root)
        loss: torch.Tensor | float = told
        if told.is_cpu and not told.ndim:
            loss = told.item()  # Nothing has to be waited for, and no tensor to be kept.
            self.losses.append(loss)
        elif told.numel() == 1:
            self.losses.append(told.detach().reshape(()))
        if backwards - self.passed >= STALLED:
            self._waits(backwards - self.passed)
        if self.looking:
            self._see(root)
        if self.alarm is not None:
            self.alarm(told, loss)

    def _after_step(self, optimizer: Optimizer, _args: object, _kwargs: object) -> None:
        if optimizer is not self.optimizer and not self._ours(optimizer):
            return
        self.passed = self.backwards
        rate = optimizer.param_groups[0].get("lr")
        if rate is not self._rate:
            self._rate = rate
            self.rates.step(rate)
        self._count()

    def _count(self) -> None:
        """A step has been made."""
        self.step = step = self.step + 1
        if step + 1 >= self.due:
            self._reach()

    def _waits(self, passes: int) -> None:
        if not passes & (passes - 1):
            self._stalled()

    @abstractmethod
    def _ours(self, optimizer: Optimizer) -> bool:
        """Whether a step of this optimizer is one of the training's."""

    @abstractmethod
    def _see(self, root: torch.Tensor) -> None:
        """A backward pass is about to begin in a step that is looked at."""

    @abstractmethod
    def _reach(self) -> None:
        """The step that has been made was to be looked at, or the next one is."""

    @abstractmethod
    def _stalled(self) -> None:
        """There have been 16, 32, 64, ... backward passes without a step."""
