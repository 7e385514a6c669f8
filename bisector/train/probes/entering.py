"""What enters a model, in five numbers: cheap enough for a look, whatever the size of a batch."""

import torch

SAMPLES = 8
"""Samples of a batch that are looked at."""
VALUES = 256
"""Values of a sample that are looked at, evenly apart."""
NAMES = ("mean", "size", "zero", "between", "within")


def entering(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Mean, root mean square, the share of zeros, and how values differ, of some samples and values.

    `between` is the difference of other samples from the first at the same place, `within` that of
    each place from the one before it in the same sample, as root mean square. Of token numbers both are
    the share that differs.
    """
    with torch._C.DisableTorchFunction():
        few = x.detach()[:SAMPLES].flatten(1)
        few = few[:, :: max(1, few.shape[1] // VALUES)]
        numbers = few.float()
        if few.is_floating_point():
            between, within = numbers[1:] - numbers[:1], numbers[:, 1:] - numbers[:, :-1]
        else:
            between, within = (few[1:] != few[:1]).float(), (few[:, 1:] != few[:, :-1]).float()
        zero = (few == 0).float().mean()
        return numbers.mean(), size(numbers), zero, size(between), size(within)


def size(values: torch.Tensor) -> torch.Tensor:
    """The root mean square."""
    norm: torch.Tensor = torch.linalg.vector_norm(values) / max(1, values.numel()) ** 0.5
    return norm


def told_apart(x: object) -> bool:
    """Whether it is a batch of samples that can be looked at."""
    if not isinstance(x, torch.Tensor) or x.ndim < 2 or x.is_complex():
        return False
    return len(x) > 1 and x.numel() > len(x)
