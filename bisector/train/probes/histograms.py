"""How weights, biases, gradients, updates and activations are distributed, at a few steps of a run.

A histogram is of 512 values spread evenly over a tensor, or of all of them where they are fewer; all
histograms of a look are made by one set of kernels, and nothing is read back or drawn at random.
"""

import functools
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from bisector.train.probes.recorder import Recorder
from bisector.train.probes.tensors import gradient

SAMPLES, BINS = 512, 24
LAYERS = 16
"""So many layers at most, spread evenly over the depth."""
RARELY = 8
"""The next histograms come after so many times the steps: few, and most where most happens."""


class Histograms:
    """Those of one model; `due` says whether the look at a step is to take them."""

    def __init__(self, recorder: Recorder, parameters: Mapping[str, nn.Parameter]) -> None:
        self.recorder = recorder
        matrices = [name for name, p in parameters.items() if p.ndim > 1]
        chosen = {name.rpartition(".")[0] for name in evenly(matrices)}
        self.layers = frozenset(chosen)
        self.numbers = [i for i, name in enumerate(parameters) if name.rpartition(".")[0] in chosen]
        self.parameters = parameters
        self._next = 1

    def due(self, step: int) -> bool:
        """Whether the look at a step takes histograms."""
        return step >= self._next

    @torch.no_grad()
    def take(
        self, step: int, before: Sequence[torch.Tensor], given: Mapping[str, torch.Tensor]
    ) -> None:
        """Record the distributions after a step.

        Args:
            step: the step that was just made.
            before: all parameters as they were before it, in their order; or none.
            given: samples of what layers gave in its forward pass, by module path.
        """
        self._next = RARELY * step
        rows: list[tuple[str, str]] = []
        samples: list[torch.Tensor] = []
        named = list(self.parameters.items())
        for i in self.numbers:
            name, parameter = named[i]
            pulled = gradient(parameter)
            now = sample(parameter)
            kinds = {"weight" if parameter.ndim > 1 else "bias": now}
            if pulled is not None and pulled.numel():
                kinds["gradient"] = sample(pulled)
            if len(before) == len(named):
                kinds["update"] = now - sample(before[i])
            rows += [(kind, name) for kind in kinds]
            samples += kinds.values()
        rows += [("activation", name) for name in given]
        samples += given.values()
        if samples:
            table = histograms(torch.stack([s.to(samples[0].device) for s in samples]))
            self.recorder.send_table("histograms", table, at=step, bins=BINS, rows=rows)


def sample(tensor: torch.Tensor) -> torch.Tensor:
    """Values spread evenly over a tensor, in their order [SAMPLES]; of a small one, each repeated."""
    flat = tensor.detach().reshape(-1)
    return flat.index_select(0, _places(len(flat), flat.device)).float()


@functools.lru_cache(maxsize=64)
def _places(length: int, device: torch.device) -> torch.Tensor:
    return torch.arange(SAMPLES, device=device) * length // SAMPLES


def histograms(samples: torch.Tensor) -> torch.Tensor:
    """Of each row [N, S]: its least and greatest finite value, how many are not, and counts [N, 3 + BINS]."""
    finite = samples.isfinite()
    low = torch.where(finite, samples, torch.inf).amin(1, keepdim=True)
    high = torch.where(finite, samples, -torch.inf).amax(1, keepdim=True)
    width = (high - low).clamp_min(torch.finfo(samples.dtype).tiny)
    places = ((samples - low) / width * BINS).floor().clamp(0, BINS - 1)
    # What is not finite is counted in a column of its own, before the bins.
    places = torch.where(finite, places + 1, 0).long()
    counts = samples.new_zeros(len(samples), 1 + BINS)
    counts.scatter_add_(1, places, counts.new_ones(1).expand_as(places))
    return torch.cat([low, high, counts], 1)


def evenly(names: Sequence[str]) -> list[str]:
    """A few of them, first and last included."""
    shown = min(len(names), LAYERS)
    return [names[round(i * (len(names) - 1) / max(1, shown - 1))] for i in range(shown)]
