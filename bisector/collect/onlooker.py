"""What the observation of a command has left beside its looks: its loss, and how far it came."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bisector.collect.points import Curves, Memory, Points
from bisector.model.evidence import OBSERVED_LOSS
from bisector.model.finding import Looked
from bisector.rundir import EXIT, OBSERVATIONS, OBSERVE, ONLOOKER

FAMILIES = (
    "passes", "held", "left_over", "made", "rate", "run_weights", "run_gradients",
    "run_activations", "run_norms", "run_terms", "run_loss", "nonfinite",
)  # fmt: skip
"""What a run that is watched tells."""

CAME_TO: Mapping[str, str] = {
    "": "no Python that reads PYTHONPATH was started",
    "python": "its Python did not import torch",
    "torch": "its Python imported torch, but neither a backward pass with an optimizer nor a step was seen",
    "watching": "it was killed before anything was written",
}
"""How far an observation came, by the last stage that it noted: why there is nothing to see."""


class LossReader:
    """Reads the loss that was seen at each step, as `observed/loss`."""

    sought = ""

    def __init__(self) -> None:
        self._memory = Memory()

    def read(self, rundir: Path) -> Curves:
        """The curve; empty where the run is not observed or no step was seen yet."""
        path = rundir / OBSERVATIONS
        return self._memory.read(path, _loss) if path.exists() else {}


def _loss(path: Path) -> Curves:
    points, done = Points(), 0
    for row in _rows(path):
        losses, step = row.get("losses"), row.get("step", done)
        if not losses or step <= done:
            continue
        for number, part in enumerate(_shared_out(losses, step - done)):
            points.add(OBSERVED_LOSS, sum(part) / len(part), done + number + 1)
        done = step
    return points.curves()


def _shared_out(losses: Sequence[float], steps: int) -> Iterator[Sequence[float]]:
    """The losses of each step: as many backward passes for the one as for the other."""
    each = max(1, len(losses) // steps)
    for number in range(min(steps, len(losses))):
        last = number == steps - 1
        yield losses[number * each :] if last else losses[number * each : (number + 1) * each]


def onlooked(rundir: Path) -> Looked:
    """Why the probes of an observed command saw nothing; empty where they did, or were not asked."""
    if not (rundir / OBSERVE).exists() or not (rundir / EXIT).exists():
        return Looked()
    seen = rundir / OBSERVATIONS
    if seen.exists() and seen.stat().st_size:
        return Looked()
    notes = list(_rows(rundir / ONLOOKER))
    remarks = [str(note["remark"]) for note in notes if "remark" in note]
    stages = [str(note["stage"]) for note in notes if "stage" in note]
    because = (remarks or [CAME_TO.get((stages or [""])[-1], "")])[-1]
    return Looked({}, dict.fromkeys(FAMILIES, because))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    # What follows the last newline is still being written.
    whole = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]
    for line in whole.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row
