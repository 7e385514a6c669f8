"""A learning-rate schedule for short runs; any of torch's can be named in its place."""

import math
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


class Schedule(Protocol):
    """What sets learning rates, once before each update but the first."""

    def step(self) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


class Rising:
    """A linear warm-up over whatever another schedule asks for, or over constant rates."""

    def __init__(self, optimizer: Optimizer, inner: LRScheduler | None, steps: int) -> None:
        self.optimizer, self.inner, self.steps = optimizer, inner, steps
        self.taken = 0
        self._lower()

    def step(self) -> None:
        """Set the rates of the next update."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate
        if self.inner is not None:
            self.inner.step()
        self.taken += 1
        self._lower()

    def _lower(self) -> None:
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        for group in self.optimizer.param_groups:
            group["lr"] *= min(1.0, (self.taken + 1) / (self.steps + 1))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        inner = None if self.inner is None else self.inner.state_dict()
        return {"taken": self.taken, "rates": self.rates, "inner": inner}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint; the optimizer goes back by itself."""
        self.taken, self.rates = state_dict["taken"], state_dict["rates"]
        if self.inner is not None:
            self.inner.load_state_dict(state_dict["inner"])


def risen(inner: LRScheduler | None, optimizer: Optimizer, steps: int) -> Schedule | None:
    """A schedule with a warm-up of so many updates before it; 0: the schedule itself."""
    return Rising(optimizer, inner, steps) if steps else inner


class WarmupCosine(LambdaLR):
    """Linear warm-up over the first `warmup` share of `steps`, then a half cosine to `floor`.

    Both are multiples of the optimizer's own learning rate.
    """

    def __init__(
        self, optimizer: Optimizer, *, steps: int, warmup: float = 0.0, floor: float = 0.0
    ) -> None:
        rising = round(warmup * steps)

        def factor(step: int) -> float:
            if step < rising:
                return (step + 1) / (rising + 1)
            progress = (step - rising) / max(1, steps - rising)
            return floor + (1 - floor) * (1 + math.cos(math.pi * min(1.0, progress))) / 2

        super().__init__(optimizer, factor)


def advance(optimizer: Optimizer, schedule: Schedule, rates: Sequence[float], steps: int) -> None:
    """Bring a schedule that was just made to where it is after `steps`, whatever ran until then.

    Args:
        optimizer: whose learning rates it sets; those of another schedule may stand in it.
        schedule: of the whole training, made and not yet stepped.
        rates: the learning rates that it set when it was made, group by group.
        steps: updates that were made.
    """
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    with warnings.catch_warnings():
        # The updates that belong to these steps were made by another process.
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(steps):
            schedule.step()
