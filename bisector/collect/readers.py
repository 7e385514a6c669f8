"""Puts together what a run's own files say: its output, tables, event files, MLflow store."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from bisector.collect.columns import ColumnReader
from bisector.collect.lines import PRESETS, LineReader
from bisector.collect.mlflow_files import MlflowReader
from bisector.collect.native import NativeCollector
from bisector.collect.onlooker import LossReader
from bisector.collect.points import Curves
from bisector.collect.tables import TableReader
from bisector.errors import ConfigError
from bisector.model.evidence import Curve, Evidence, Exit, Signal

PASSED = "passed"
"""A reading of 1 when a run ends well: for programs whose exit code is all there is to judge by."""

_LOSSES = {
    Signal.LOSS: ("train_loss", "training_loss", "train/loss", "loss/train"),
    Signal.VAL_LOSS: ("valid_loss", "eval_loss", "val/loss", "eval/loss", "loss/val", "test_loss"),
}
"""Names under which a loss is known, so that a NaN in it is seen whatever decides."""


class Reader(Protocol):
    """Finds curves in one kind of file."""

    def read(self, rundir: Path) -> Curves:
        """By the names that the program gives them; empty while there is nothing."""
        ...

    @property
    def sought(self) -> str:
        """What is looked for, in words; empty: nothing that a program would leave by itself."""
        ...


@dataclass(frozen=True, slots=True)
class ReadingCollector(NativeCollector):
    """Our own files first, then what each of `readers` finds under names not found before."""

    readers: Sequence[Reader] = ()
    exit_code: bool = False
    """Whether to read `passed` from how the run ended."""

    def collect(self, rundir: Path) -> Evidence:
        """The evidence of one run, ended or not."""
        evidence = NativeCollector.collect(self, rundir)
        curves = dict(evidence.curves)
        for reader in self.readers:
            for name, curve in reader.read(rundir).items():
                curves.setdefault(self.names.get(name, name), curve)
        for canonical, known in _LOSSES.items():
            if theirs := [curves[name] for name in known if name in curves]:
                curves.setdefault(canonical, theirs[0])
        if self.exit_code and evidence.exit is Exit.CLEAN:
            name = self.names.get(PASSED, PASSED)
            curves.setdefault(name, Curve((0,), (1.0,)))
        facts = {
            **evidence.facts,
            "sought": ", ".join(filter(None, (r.sought for r in self.readers))),
        }
        return replace(evidence, curves=curves, facts=facts)


def collector_for(config: Mapping[str, Any], names: Mapping[str, str]) -> NativeCollector:
    """The collector of a configuration, or of a journal's copy of one.

    Commands are read wherever programs write; functions report by themselves, unless `read` is set.
    `names` maps the program's metric names onto canonical signals.

    Raises:
        ConfigError: a pattern or a path cannot be used, or an extra is not installed.
    """
    read = config.get("read")
    target = str((config.get("workload") or {}).get("_target_", ""))
    if read or target.endswith("CommandWorkload"):
        return collector(names, read or {})
    return NativeCollector(names)


def collector(names: Mapping[str, str], read: Mapping[str, Any]) -> ReadingCollector:
    """The collector that the configuration's `read` describes.

    Patterns come first, then files, and presets last: they find more than was meant.

    Raises:
        ConfigError: a pattern or a path cannot be used, or an extra is not installed.
    """
    stdout = [str(text) for text in read.get("stdout", ["auto"])]
    patterns = [text for text in stdout if text not in PRESETS]
    presets = [text for text in stdout if text in PRESETS]
    readers: list[Reader] = [LineReader(patterns)] if patterns else []
    if files := [str(f) for f in read.get("files", ())]:
        readers.append(TableReader(files, str(read.get("step") or "")))
    if folders := [str(f) for f in read.get("tensorboard", ())]:
        readers.append(_tensorboard(folders))
    readers += [MlflowReader(), LossReader()]
    if presets:
        readers.append(LineReader(presets))
    if "auto" in presets:
        readers.append(ColumnReader())
    return ReadingCollector(dict(names), readers, bool(read.get("exit_code", False)))


def _tensorboard(folders: Sequence[str]) -> Reader:
    """TensorBoard's reader, imported only where it is asked for: it takes a second."""
    try:
        module = importlib.import_module("bisector.collect.tensorboard")
    except ModuleNotFoundError as e:
        raise ConfigError(
            f"read.tensorboard needs a package that is not installed here: {e.name}.",
            hint="pip install 'bisector[tensorboard]'",
        ) from None
    return cast(Reader, module.TensorBoardReader(folders))
