"""Any command line, unchanged, judged from outside."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from bisector.conceal import concealed
from bisector.model.experiment import Experiment, LearningRate
from bisector.model.session import Session
from bisector.model.surroundings import Surroundings, parted
from bisector.model.trial import Arm, Trial
from bisector.ports import Job, Limits
from bisector.rundir import CONFIG, ENV_RUNDIR, MLRUNS
from bisector.workload import config_file, place
from bisector.workload.command_check import check
from bisector.workload.onlooking import observed, unseen
from bisector.workload.options import digits, scaled, without
from bisector.workload.overrides import overrides_of
from bisector.workload.processes import shared_out
from bisector.workload.revisions import (
    checkout,
    first_on_path,
    imports,
    interpreter,
    untracked,
    with_python,
)
from bisector.workload.spelling import Spelled, Spelling, setting_of, spell
from bisector.workload.template import fill, filled


@dataclass(frozen=True, slots=True)
class CommandWorkload:
    """`command` is an argv in which `{overrides} {seed} {rundir} {config} {python}` are filled in.

    A word that is `{overrides}` alone becomes the words of the additions that are on; no shell
    is between. A number at `lr.key` that stands in the command line or in the configuration
    file is multiplied where it stands.
    """

    command: Sequence[str]
    resolve: Callable[[Sequence[str]], Mapping[str, Any]] | None = None
    limits: Limits = field(default_factory=Limits)
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of every run; the same names are filled in."""
    spelling: str = Spelling.WORDS
    """How the program takes settings: see `spelling.Spelling`."""
    config: str = ""
    """The configuration file of which `{config}` is a copy, with the settings of the arm."""
    folder: str = "fresh"
    """Where the command works: `fresh`, a folder for each run that shows the project's files,
    or `here`, the folder in which bisect was called."""
    revision: str = ""
    """The commit whose code is run, where an addition does not say another; empty: the folder as it is."""
    apart: Sequence[str] = ()
    """Files and folders of the project that each run is to have for itself, empty."""

    def variants(self) -> Mapping[str, tuple[str, ...]]:
        """None: only the user knows how a command spells them."""
        return {}

    def blind(self) -> str:
        """A command is seen from outside only."""
        return "a command does not show its parts; a recipe does, and so does a function that calls run.watch"

    def unseen(self) -> str:
        """Why its runs cannot be observed: what starts is no Python, or does not name torch."""
        return unseen(filled(self.command, {"python": sys.executable}, ()), Path.cwd())

    def prepare(self, session: Session, trial: Trial, rundir: Path) -> Job:
        """The command for one trial, its working folder and its configuration file beside it."""
        # The command is at home elsewhere.
        rundir = rundir.absolute()
        rundir.mkdir(parents=True, exist_ok=True)
        around, rest = parted(overrides_of(session.experiment, trial.arm))
        spelled = self._spelled(session.experiment, trial.arm, rest)
        words = {"seed": str(trial.seed), "rundir": str(rundir), "python": sys.executable}
        if self.config:
            words["config"] = str(
                self._write_config(session.experiment, trial.arm, spelled, rundir)
            )
        argv = self._argv(session.experiment.lr, trial.arm, spelled, words)
        if around.python:
            argv = with_python(argv, interpreter(around.python))
        self._note(argv, rundir, spelled, around)
        revision = self.revision if around.revision is None else around.revision
        code = checkout(revision, rundir.parents[1], around.pieces)
        named = first_on_path(code) if revision or around.pieces else {}
        own = {name: fill(value, words) for name, value in self.env.items()}
        env = {**named, **_store(rundir), **own, **spelled.env, **around.env}
        env[ENV_RUNDIR] = str(rundir)
        if trial.arm.watched or session.experiment.observe:
            memory = session.experiment.inspect.memory_mb if trial.arm.watched else 0.0
            env = observed(env, rundir, memory)
        job = Job(tuple(argv), rundir, env, self.limits, self._place(rundir, code))
        return shared_out(job)

    def preflight(self, session: Session, rundir: Path) -> Job | None:
        """The program must be there, and every arm must be spelled; nothing is trained.

        Raises:
            ConfigError: something of it cannot be used as written.
        """
        check(self, session.experiment)
        argv = filled(self.command, {"python": sys.executable}, ())
        job = imports(argv, self._elsewhere(session.experiment), rundir)
        return job and replace(job, limits=Limits(gpus=self.limits.gpus))

    def _elsewhere(self, experiment: Experiment) -> list[tuple[str, Surroundings]]:
        """Where else than in the folder as it is the script has to be imported, by who asks for it."""
        own = [("workload.revision", Surroundings(revision=self.revision))] if self.revision else []
        each = [(f"additions.{a.name}", parted(a.overrides)[0]) for a in experiment.additions]
        whole = Surroundings(
            revision=self.revision or None,
            pieces=tuple(
                piece
                for a, (_, around) in zip(experiment.additions, each, strict=True)
                if a.name in experiment.full
                for piece in around.pieces
            ),
        )
        other = [(key, around) for key, around in each if around.python or around.revision]
        return [*own, *other, *([("additions", whole)] if whole.pieces else [])]

    def _place(self, rundir: Path, code: Path) -> Path:
        """The working folder: the run's own, or the project's (at one of its revisions)."""
        if self.folder == "here":
            return code
        shared = untracked() if code != Path.cwd() else ()
        return place.make(rundir, [*code.iterdir(), *shared], self.apart)

    def _spelled(self, experiment: Experiment, arm: Arm, overrides: Sequence[str]) -> Spelled:
        spelling = Spelling(self.spelling)
        spelled = spell(overrides, spelling)
        lr = experiment.lr
        if lr is not None and arm.lr_scale != 1.0 and spelling is Spelling.ENVIRONMENT:
            rate = float(spelled.env.get(lr.key, lr.value)) * arm.lr_scale
            return replace(spelled, env={**spelled.env, lr.key: digits(rate)})
        return spelled

    def _argv(
        self, lr: LearningRate | None, arm: Arm, spelled: Spelled, words: Mapping[str, str]
    ) -> list[str]:
        command = list(self.command)
        for option in spelled.taken:
            command = without(command, option)
        argv = filled(command, words, spelled.words)
        spelling = Spelling(self.spelling)
        if lr is None or arm.lr_scale == 1.0 or spelling in (Spelling.FILE, Spelling.ENVIRONMENT):
            return argv
        if changed := scaled(argv, lr.key, arm.lr_scale):
            return changed
        rate = spell([f"{lr.key}={digits(lr.value * arm.lr_scale)}"], spelling)
        return filled(command, words, [*spelled.words, *rate.words])

    def _write_config(
        self, experiment: Experiment, arm: Arm, spelled: Spelled, rundir: Path
    ) -> Path:
        """The configuration file of a run."""
        document = config_file.patched(config_file.read(Path(self.config)), spelled.settings)
        lr = experiment.lr
        if lr is not None and arm.lr_scale != 1.0 and self.spelling == Spelling.FILE:
            rate = config_file.number_at(document, lr.key) or lr.value
            document = config_file.patched(
                document, [setting_of(f"{lr.key}={digits(rate * arm.lr_scale)}")]
            )
        path = rundir / f"settings{Path(self.config).suffix}"
        config_file.write(path, document)
        return path

    def _note(
        self, argv: Sequence[str], rundir: Path, spelled: Spelled, around: Surroundings
    ) -> None:
        """What is run, beside it: for whoever reads the run directory, and for MLflow."""
        told: dict[str, object] = {"command": shlex.join(argv)}
        if env := {**spelled.env, **around.env}:
            told["env"] = env
        if around.revision:
            told["revision"] = around.revision
        if around.pieces:
            told["code"] = list(around.pieces)
        text = yaml.safe_dump(concealed(told), sort_keys=False, allow_unicode=True, width=1_000_000)
        (rundir / CONFIG).write_text(text, encoding="utf-8")


def _store(rundir: Path) -> dict[str, str]:
    """A store of its own for a program that logs to MLflow: see `collect.mlflow_files`."""
    named = {
        "MLFLOW_TRACKING_URI": (rundir / MLRUNS).as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # Where bisect itself was called within a run, these name what this store does not have.
    elsewhere = {"MLFLOW_RUN_ID": "", "MLFLOW_EXPERIMENT_ID": "0"}
    return named | {k: v for k, v in elsewhere.items() if k in os.environ}  # noqa: TID251  what the user set is hidden
