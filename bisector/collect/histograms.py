"""The histograms that the probes of a run have written, as a family of facts for pictures."""

import json
from pathlib import Path

from bisector.model.finding import Looked
from bisector.rundir import OBSERVATIONS

_MARK = '{"kind": "histograms"'
KINDS = ("weight", "bias", "gradient", "update", "activation")


def spread(rundir: Path) -> Looked:
    """`run_histograms`: at `steps`, by kind and name, `[least, greatest, not finite, counts...]`.

    A cell is None where there was nothing of the kind at that step.
    """
    rows = [json.loads(line) for line in _lines(rundir / OBSERVATIONS) if line.startswith(_MARK)]
    if not rows:
        return Looked()
    of: dict[str, dict[str, list[list[float] | None]]] = {}
    for look, row in enumerate(rows):
        width = 3 + row["bins"]
        for i, (kind, name) in enumerate(row["rows"]):
            cells = of.setdefault(kind, {}).setdefault(name, [None] * len(rows))
            cells[look] = row["table"][i * width : (i + 1) * width]
    facts = {"steps": [row["at"] for row in rows], **{k: of[k] for k in KINDS if k in of}}
    return Looked({"run_histograms": facts})


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    # What follows the last newline is still being written.
    return path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
