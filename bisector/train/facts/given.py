"""Facts about what the loader gives, in the numbers by which a run tells what enters the model."""

from typing import Any

from bisector.train.facts.outputs import BATCHES
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.probes.entering import NAMES, entering, told_apart


def given(scene: Scene) -> dict[str, Any]:
    """Of the first batches, as the network receives them: see `entering`; the mean over batches."""
    seen = [x for x, _ in scene.received[:BATCHES] if told_apart(x)]
    if not seen:
        raise Absent("inputs are one number each, or batches one sample")
    columns = zip(*([number.item() for number in entering(x)] for x in seen), strict=True)
    means = {n: sum(c) / len(seen) for n, c in zip(NAMES, columns, strict=True)}
    return {"values": seen[0][0].numel(), **means}
