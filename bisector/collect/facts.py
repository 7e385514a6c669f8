"""Reads the facts that checks go by: families of them, as a look or a run has left them.

`inspected.json` is written by an inspection, before anything trains:

    {"facts": {"signal": {"spread": [0.3, 17.0], "layers": ["fc1", "fc2"]}},
     "absent": {"weights": "it has no weight matrices"}}

What the probes of a run saw while it trained is worked out in `observations.py`, from lines that
were written as it went on. A family that is added to `checks.check.FAMILIES` (with the stage `run`
if it takes a run to see it) reaches the checks that need it: those of the culprit as `Case.facts`,
those of a healthy neighbour on the same seed as `Case.healthy`. Infinities and NaN may be written
as words, which `Case.number` reads.
"""

import json
from pathlib import Path

from bisector.collect.histograms import spread
from bisector.collect.observations import observed
from bisector.collect.onlooker import onlooked
from bisector.model.finding import Looked
from bisector.rundir import INSPECTED


def looked(rundir: Path) -> Looked:
    """All facts in a run directory; nothing where none were left or they are cut short."""
    return (
        _read(rundir / INSPECTED)
        .beside(onlooked(rundir))
        .beside(observed(rundir))
        .beside(spread(rundir))
    )


def _read(path: Path) -> Looked:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Looked()
    return Looked(found.get("facts", {}), found.get("absent", {}))
