"""How many jobs a GPU bears at a time: as many as are asked for, or as its memory has room for.

A job's need is learnt from the first one that ends well, which has its GPU to itself; where that
turns out to be too little, one less is tried.
"""

import time
from collections.abc import Mapping

from bisector.launch.gpus import memory

_SAMPLE_SECONDS = 1.0
_SPARE = 0.1
"""Share of a GPU's memory that is left free: what a job needs varies from arm to arm."""
_MOST = 8
"""Jobs on one GPU at most; beyond a few they only wait for each other."""


class Shares:
    """`asked` jobs per GPU; None: by the memory that jobs are seen to use."""

    def __init__(self, asked: int | None) -> None:
        self._asked = asked
        self._sampled = 0.0
        self._peak: dict[str, int] = {}
        """Most memory seen in use on a GPU that had one job, in bytes."""
        self._learnt: int | None = None

    def jobs(self) -> int:
        """How many jobs a GPU may have now."""
        return self._asked or self._learnt or 1

    def watch(self, load: Mapping[str, int]) -> None:
        """Take note of what is in use; `load` is how many of our jobs each GPU has."""
        if self._asked is not None or self._learnt is not None:
            return
        if time.monotonic() - self._sampled < _SAMPLE_SECONDS:
            return
        self._sampled = time.monotonic()
        for gpu, jobs in load.items():
            if jobs == 1:
                self._peak[gpu] = max(self._peak.get(gpu, 0), memory(gpu)[0])

    def learn(self, gpus: tuple[str, ...]) -> None:
        """A job has ended well that had these GPUs to itself."""
        seen = [(self._peak[gpu], memory(gpu)[1]) for gpu in gpus if self._peak.get(gpu)]
        if self._asked is None and self._learnt is None and seen:
            room = min(int((1 - _SPARE) * total / peak) for peak, total in seen)
            self._learnt = min(_MOST, max(1, room))

    def unlearn(self) -> None:
        """A job ran out of memory beside others: there is room for one less."""
        if self._learnt is not None:
            self._learnt = max(1, self._learnt - 1)
