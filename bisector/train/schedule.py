"""A learning-rate schedule for short runs; any of torch's can be named in its place."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


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
