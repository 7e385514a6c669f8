"""Facts about what the loader gives, in the numbers by which a run tells what enters the model."""

from typing import Any

from bisector.train.facts.outputs import BATCHES
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.probes.entering import NAMES, entering, told_apart


def given(scene: Scene) -> dict[str, Any]:
    """Of the first batches, as the network receives them: see `entering`; the mean over batches."""
    rows = [
        [number.item() for number in entering(x)]
        for x, _ in scene.received[:BATCHES]
        if told_apart(x)
    ]
    if not rows:
        raise Absent("inputs are one number each, or batches one sample")
    return {name: sum(column) / len(rows) for name, column in zip(NAMES, zip(*rows, strict=True), strict=True)}  # fmt: skip
