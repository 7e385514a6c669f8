"""The loss that everybody would take for such outputs and targets: what is put in a custom one's place."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.alter import unfit

ROUNDING = 1e-3
"""How far from 1 probabilities may add up to."""


class StandardLoss(nn.Module):
    """Cross-entropy of classes or of probabilities, of yes and no, or the mean squared error.

    Class numbers [B, ...] go with scores [B, ..., C] or [B, C, ...]; all else has the outputs'
    shape, apart from dimensions of 1. What fits none of it ends the run as one that says nothing.
    """

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean over the batch."""
        if output.shape == target.shape or output.numel() == target.numel():
            return of_values(output, target.view(output.shape))
        if target.is_floating_point() or target.ndim != output.ndim - 1:
            unfit("no standard loss takes such outputs and targets")
        if output.shape[:-1] == target.shape:
            return F.cross_entropy(output.flatten(0, -2), target.flatten().long())
        return F.cross_entropy(output, target.long())


def of_values(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The loss of targets that have the outputs' shape."""
    wanted = target.to(output.dtype)
    if target.ndim > 1 and target.shape[-1] > 1 and _is_distribution(wanted):
        return F.cross_entropy(output.flatten(0, -2), wanted.flatten(0, -2))
    if bool(((wanted == 0) | (wanted == 1)).all()):
        return F.binary_cross_entropy_with_logits(output, wanted)
    return F.mse_loss(output, wanted)


def _is_distribution(target: torch.Tensor) -> bool:
    sums_to_one = (target.sum(-1) - 1).abs() < ROUNDING
    return bool(sums_to_one.all() and (target >= 0).all())
