"""Small real trainings that are watched, and the faults that run checks must find in them.

`cnn` and `transformer` are the recipes `digits` and `charlm`; `mlp` is the recipe `tabular`; `rnn`
reads the digits row by row.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bisector.recipes.digits import Digits
from omegaconf import OmegaConf
from torch import Tensor, nn

from bisector.checks.run_catalogue import RUN
from bisector.collect.course import course
from bisector.collect.native import NativeCollector
from bisector.collect.observations import observed
from bisector.config.compose import Composer
from bisector.diagnose import Terms, diagnose
from bisector.model.finding import Diagnosis, Looked, Severity, Stage
from bisector.train.loop import Training
from bisector.train.observing import Observing
from bisector.train.parts import build
from bisector.train.probes.settings import ProbeSettings

torch.set_num_threads(1)

RNN = {
    "model": {"_target_": "run_gallery.Rows"},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.005, "weight_decay": 0.0},
    "trainer": {"epochs": 8, "clip_norm": 1.0},
}
NAMES = {"loss": "loss", "val_loss": "val_loss", "val_acc": "score"}


class Rows(nn.Module):
    """A recurrent net over the eight rows of a digit; [B, 10] logits."""

    def __init__(self, width: int = 32, scale: float = 1.0) -> None:
        super().__init__()
        self.rnn = nn.RNN(8, width, batch_first=True)
        self.head = nn.Linear(width, 10)
        with torch.no_grad():
            for p in self.rnn.parameters():
                p.mul_(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x.view(len(x), 8, 8))[0][:, -1])


def recipe(kind: str, *overrides: str) -> Any:
    """The recipe of a healthy training, with overrides."""
    name = {"cnn": "digits", "mlp": "tabular", "transformer": "charlm", "rnn": "digits"}[kind]
    cfg = OmegaConf.create(Composer(name).recipe([]))
    if kind == "rnn":
        cfg.pop("model")
        cfg = OmegaConf.merge(cfg, RNN)
    cfg.trainer.log_every = 2
    return OmegaConf.merge(cfg, OmegaConf.from_dotlist(list(overrides)))


Fault = Callable[[Training], None]
"""Changes a training before its first step."""


def watched(
    rundir: Path, kind: str, *overrides: str, fault: Fault | None = None, seed: int = 0
) -> Looked:
    """What a training of the loop shows."""
    run = Observing(rundir, seed, ProbeSettings())
    cfg = recipe(kind, *overrides)
    training = Training(build(cfg, run), run)
    if fault is not None:
        fault(training)
    run.watch(training.parts.model, training.parts.optimizer, loss=training.parts.loss)
    training.go_on()
    run.close()
    return looked(rundir)


def looked(rundir: Path) -> Looked:
    """What a run directory shows, with the labels that an inspection would add."""
    counts = torch.bincount(Digits().val.tensors[1]).tolist()
    labels = Looked({"labels": {"val_counts": counts}})
    evidence = NativeCollector(NAMES).collect(rundir)
    return labels.beside(observed(rundir)).beside(course(evidence))


def diagnosed(seen: Looked) -> Diagnosis:
    """What the run checks say."""
    return diagnose(RUN, seen.facts, seen.absent, Terms(), stages=frozenset({Stage.RUN}))


def warned(diagnosis: Diagnosis) -> list[str]:
    """The ids of the findings at warning or above, first to last."""
    return [f.check for f in diagnosis.findings if f.severity is not Severity.NOTE]
