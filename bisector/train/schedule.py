"""A learning-rate schedule for short runs; any of torch's can be named in its place."""

import math
import warnings
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


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


def advance(
    optimizer: Optimizer, schedule: LRScheduler, rates: Sequence[float], steps: int
) -> None:
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
