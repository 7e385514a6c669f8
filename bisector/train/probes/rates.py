"""Follows an optimizer's learning rate from step to step, on the host, in a few comparisons."""

from typing import Any

from torch.optim import Optimizer


class Rates:
    """What the looks, which are far apart, would not show of it: how often it turns round."""

    def __init__(self) -> None:
        self.turns = 0
        """Times that it fell after it had risen, or rose after it had fallen."""
        self.last = 0.0
        """That of the last step; 0: it is not known without asking the device."""
        self._rising: bool | None = None

    def step(self, rate: object) -> None:
        """A step was made at this rate."""
        # One that is a tensor may be on a device, which is not to be waited for.
        if not isinstance(rate, float) or rate == self.last:
            return
        rising = rate > self.last
        self.turns += self._rising is not None and rising != self._rising
        self.last, self._rising = rate, rising


def of_groups(optimizer: Optimizer) -> dict[str, Any]:
    """The rate that counts, the weight decays, and the share of its last step that a step keeps."""
    groups = optimizer.param_groups
    decays = sorted({float(group.get("weight_decay", 0.0)) for group in groups})
    kept = groups[0].get("momentum", groups[0].get("betas", (0.0,))[0])
    # One that is a tensor may be on a device, which is not to be waited for.
    momentum = kept if isinstance(kept, float) else 0.0
    return {"lr": float(groups[0].get("lr", 0.0)), "decays": decays, "momentum": momentum}
