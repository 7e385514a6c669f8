"""What a stranger's training shows, before it and while it runs, and what all checks make of that."""

from collections.abc import Callable
from pathlib import Path

import torch
from strangers import Job

from bisector.checks.catalogue import CATALOGUE
from bisector.collect.course import course
from bisector.collect.native import NativeCollector
from bisector.collect.observations import observed
from bisector.diagnose import Terms, diagnose
from bisector.model.finding import Diagnosis, Looked, Severity, Stage
from bisector.train.facts.scene import Bounds, Scene
from bisector.train.facts.shown import of_watch
from bisector.train.inspection import finite, measured
from bisector.train.observing import Observing
from bisector.train.probes.settings import ProbeSettings

torch.set_num_threads(1)

NAMES = {"loss": "loss", "val_loss": "val_loss", "val_acc": "score"}


def seen(make: Callable[[], Job], rundir: Path, seed: int = 0) -> Looked:
    """The facts of an inspection and of a watched run, as a search collects them of a function."""
    torch.manual_seed(seed)
    job = make()
    shown = of_watch(job.model, job.optimizer, job.criterion, job.loader, job.val_loader)
    found = measured(Scene(shown, torch.device("cpu"), Bounds()))
    torch.manual_seed(seed)
    job = make()
    run = Observing(rundir, seed, ProbeSettings())
    job.train(run)
    run.close()
    before = Looked(finite(found.facts), found.absent)
    evidence = NativeCollector(NAMES).collect(rundir)
    return before.beside(observed(rundir)).beside(course(evidence))


def told(looked: Looked, healthy: Looked | None = None) -> Diagnosis:
    """What all checks say, beside a healthy neighbour on the same seed."""
    beside = healthy.facts if healthy else None
    return diagnose(
        CATALOGUE, looked.facts, looked.absent, Terms(), healthy=beside, stages=frozenset(Stage)
    )


def warned(diagnosis: Diagnosis) -> list[str]:
    """The ids of what may be the reason, first to last."""
    return [f.check for f in diagnosis.findings if f.severity is not Severity.NOTE and not f.shared]
