"""Reads the facts that checks go by: families of them, as a look or a run has left them.

`inspected.json` is written by an inspection, before anything trains; `observed.json` by the
probes of a run, while it trains. Both hold

    {"facts": {"gradients": {"norm": [0.3, 17.0], "modules": ["fc1", "fc2"]}},
     "absent": {"activations": "the model has no modules to watch"}}

A family that is added to `checks.check.FAMILIES` (with the stage `run` if it takes a run to see
it) and written here by anybody reaches the checks that need it: those of the culprit as
`Case.facts`, those of a healthy neighbour on the same seed as `Case.healthy`. Infinities and NaN
are written as words, which `Case.number` reads.
"""

import json
from pathlib import Path

from bisector.model.finding import Looked
from bisector.rundir import INSPECTED, OBSERVED


def looked(rundir: Path) -> Looked:
    """All facts in a run directory; nothing where none were left or they are cut short."""
    seen = Looked()
    for name in (INSPECTED, OBSERVED):
        seen = seen.beside(_read(rundir / name))
    return seen


def _read(path: Path) -> Looked:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Looked()
    return Looked(found.get("facts", {}), found.get("absent", {}))
