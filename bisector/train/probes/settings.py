"""Whether and how a run is observed: `observe.json` in its run directory; no file, no probes."""

import json
from dataclasses import dataclass
from pathlib import Path

from bisector.rundir import OBSERVE

WIDEST = 500
"""The most steps between two looks."""


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What an observed run may cost."""

    memory_mb: float = 256.0
    """Bound of the ring of recent states from which a failure is replayed; 0: no ring."""
    steps_back: int = 1024
    """Steps from one kept state to the next, unless memory asks for fewer."""

    @classmethod
    def of(cls, rundir: Path) -> "ProbeSettings | None":
        """The settings of the run in `rundir`; None: it is not observed."""
        path = rundir / OBSERVE
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def next_look(step: int) -> int:
    """The step to look at after `step`: as many steps again as were made, until that are too many."""
    return step + min(WIDEST, step)
