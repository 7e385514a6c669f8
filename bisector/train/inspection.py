"""What can be seen of a training before it trains: `python -m bisector.train.inspection TARGET SEED`.

Builds the parts of a recipe as the loop does, or calls the user's function up to `run.watch`; takes
no step of the optimizer's own, and writes facts into the run directory: numbers, words and lists, by family.
Looking changes nothing: the parts are looked at in copies, and every global random stream is put
back where it was.
"""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bisector.rundir import ENV_RUNDIR, INSPECT, INSPECTED, PICTURES, write_json
from bisector.train.facts import (
    attention,
    batches,
    conflicts,
    data,
    dimensions,
    gains,
    given,
    leaks,
    losses,
    network,
    neutral,
    noise,
    outputs,
    passes,
    pretrained,
    reach,
    readings,
    relation,
    slope,
    splits,
    transfer,
)
from bisector.train.facts.charts import DRAWINGS
from bisector.train.facts.scene import Bounds, Scene
from bisector.train.facts.shown import Absent, Shown, of_recipe
from bisector.train.given import config_in
from bisector.train.parts import build
from bisector.train.run import Run
from bisector.train.seeding import (
    global_state,
    restore_global_state,
    seed_everything,
    use_deterministic_algorithms,
)
from bisector.train.watching import Watching, watched

LOOP = "bisector.train.loop:train"
"""The training whose parts can be had without calling it."""

FAMILIES: Mapping[str, Callable[[Scene], dict[str, Any]]] = {
    "inputs": data.inputs,
    "numbers": data.numbers,
    "labels": data.labels,
    "conflicts": conflicts.conflicts,
    "targets": data.targets,
    "leaks": leaks.leaks,
    "splits": splits.splits,
    "shares": splits.shares,
    "standards": splits.standards,
    "readings": readings.readings,
    "loader": batches.loader,
    "order": batches.order,
    "visits": batches.visits,
    "batch_labels": batches.batch_labels,
    "given": given.given,
    "declared": pretrained.declared,
    "forward": passes.forward,
    "modes": passes.modes,
    "chance": reach.chance,
    "reload": passes.reload,
    "range": outputs.range_of,
    "start": outputs.start,
    "loss_calls": outputs.loss_calls,
    "loss_shape": losses.loss_shape,
    "neutral": neutral.neutral,
    "parameters": network.parameters,
    "handed": network.handed,
    "first_step": network.first_step,
    "independence": dimensions.independence,
    "causality": dimensions.causality,
    "signal": network.signal,
    "reach": reach.reach,
    "weights": network.weights,
    "gains": gains.gains,
    "attention": attention.attention,
    "workers": readings.workers,
    "relation": relation.relation,
    "alone": leaks.alone,
    "augmented": transfer.augmented,
    "transfer": transfer.transfer,
    "noise": noise.noise,
    "slope": slope.slope,
}
"""Family of facts to what measures it; the costly ones last, so that time runs out on them."""

USERS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a user's code may raise when it is looked at: then that family is absent, not the rest."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """Facts by family, and why the others are absent."""

    facts: dict[str, dict[str, Any]]
    absent: dict[str, str]
    seconds: dict[str, float]
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was drawn, and why the rest was not: see `bisector.rundir.PICTURES`."""


def main(argv: list[str]) -> int:
    """Inspect once; the exit code is 0 if it could look at all."""
    target, seed = argv
    rundir = Path(os.environ[ENV_RUNDIR])
    bounds = Bounds(**json.loads((rundir / INSPECT).read_text(encoding="utf-8")))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    use_deterministic_algorithms()
    seed_everything(int(seed))
    cfg = config_in(rundir)
    try:
        shown = shown_by(target, cfg, rundir, int(seed))
    except Absent as why:
        nothing = {"drawn": {}, "absent": dict.fromkeys(DRAWINGS, str(why))}
        found = Inspected({}, dict.fromkeys(FAMILIES, str(why)), {}, nothing)
    else:
        found = inspect(shown, device_of(shown.model), bounds)
    record = finite(asdict(found))
    write_json(rundir / PICTURES, record.pop("pictures"))
    write_json(rundir / INSPECTED, record)
    return 0


def shown_by(target: str, cfg: Any, rundir: Path, seed: int) -> Shown:
    """What a training shows of itself, of which no step is taken.

    Raises:
        Absent: it shows nothing.
    """
    if target == LOOP:
        return of_recipe(build(cfg, Run(rundir, seed)))
    return watched(target, cfg, Watching(rundir, seed))


def device_of(model: nn.Module) -> torch.device:
    """Where the model is."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def inspect(shown: Shown, device: torch.device, bounds: Bounds) -> Inspected:
    """Measure every family that can be; all random streams are left as they were found."""
    before = global_state()
    try:
        scene = Scene(shown, device, bounds)
        found = measured(scene)
        return replace(found, pictures=drawn(scene, found))
    finally:
        restore_global_state(before)


def measured(scene: Scene, families: Collection[str] = ()) -> Inspected:
    """The facts of some families, else of all, as far as the time allows."""
    found = Inspected({}, {}, {})
    began, seconds = time.monotonic(), scene.bounds.seconds
    for name in families or FAMILIES:
        start = time.monotonic()
        if start - began > seconds:
            found.absent[name] = f"the {seconds:g} s of inspect.seconds were over"
            continue
        try:
            found.facts[name] = FAMILIES[name](scene)
        except (Absent, *USERS) as error:
            found.absent[name] = told(error)
        found.seconds[name] = time.monotonic() - start
    return found


def drawn(scene: Scene, found: Inspected) -> dict[str, dict[str, Any]]:
    """The pictures, as far as they can be had; what was measured is marked in them."""
    pictures: dict[str, dict[str, Any]] = {"drawn": {}, "absent": {}}
    for name, draw in DRAWINGS.items():
        try:
            pictures["drawn"][name] = draw(scene, found.facts)
        except (Absent, *USERS) as error:
            pictures["absent"][name] = told(error)
    return pictures


def told(error: Exception) -> str:
    """Why facts are absent, in one line."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, Absent) else f"{type(error).__name__}: {text}"


def finite(value: Any) -> Any:
    """The value with infinities and NaN as words, which JSON can carry."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
