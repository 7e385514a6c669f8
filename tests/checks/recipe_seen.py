"""What a training of our own loop shows, before it and while it runs."""

from collections.abc import Sequence
from pathlib import Path

import torch
from run_gallery import NAMES, Fault, recipe

from bisector.collect.course import course
from bisector.collect.native import NativeCollector
from bisector.collect.observations import observed
from bisector.model.finding import Looked
from bisector.train.facts.scene import Bounds, Scene
from bisector.train.facts.shown import of_recipe
from bisector.train.inspection import finite, measured
from bisector.train.loop import Training
from bisector.train.observing import Observing
from bisector.train.parts import build
from bisector.train.probes.settings import ProbeSettings
from bisector.train.run import Run


def recipe_seen(rundir: Path, kind: str, overrides: Sequence[str], fault: Fault | None) -> Looked:
    """The facts of an inspection and of a watched run, as a search collects them of a recipe."""
    cfg = recipe(kind, *overrides)
    training = Training(build(cfg, Run(rundir, 0)), Run(rundir, 0))
    if fault is not None:
        fault(training)
    found = measured(Scene(of_recipe(training.parts), torch.device("cpu"), Bounds()))
    run = Observing(rundir, 0, ProbeSettings())
    training = Training(build(cfg, run), run)
    if fault is not None:
        fault(training)
    run.watch(training.parts.model, training.parts.optimizer, loss=training.parts.loss)
    training.go_on()
    run.close()
    before = Looked(finite(found.facts), found.absent)
    evidence = NativeCollector(NAMES).collect(rundir)
    return before.beside(observed(rundir)).beside(course(evidence))
