"""What a model is given at first: shapes, kinds and ranges of its first batches."""

from typing import Any

import torch

from bisector.train.probes.calls import tensors_in
from bisector.train.probes.recorder import Recorder

MOST = 3
"""Batches that are described."""


class Intake:
    """Describes the first batches in lines of the kind `batch`; no number is read from the device."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.left = MOST
        """So many more are described."""

    def take(self, step: int, args: Any, kwargs: Any) -> None:
        """A model is given these at a step that trains it."""
        tensors = [
            t.detach() for t in tensors_in((args, kwargs)) if t.numel() and not t.is_complex()
        ]
        if not tensors:
            return
        self.left -= 1
        numbers = [t.float() for t in tensors]
        self._recorder.send(
            "batch",
            {
                "bounds": [bound for n in numbers for bound in torch.aminmax(n)],
                "mean": [n.mean() for n in numbers],
                "finite": [n.isfinite().float().mean() for n in numbers],
            },
            step=step,
            shapes=[list(t.shape) for t in tensors],
            kinds=[str(t.dtype).removeprefix("torch.") for t in tensors],
        )
