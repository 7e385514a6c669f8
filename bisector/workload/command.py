"""Any command line, judged from outside."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

from bisector.errors import ConfigError
from bisector.model.session import Session
from bisector.model.trial import Trial
from bisector.ports import Job, Limits
from bisector.rundir import ENV_RUNDIR
from bisector.workload.overrides import overrides_of


@dataclass(frozen=True, slots=True)
class CommandWorkload:
    """`command` is an argv in which `{overrides} {seed} {rundir} {python}` are filled in.

    A word that is `{overrides}` alone becomes as many words as the arm has
    overrides; they are passed as they are written, never through a shell.
    """

    command: Sequence[str]
    resolve: Callable[[Sequence[str]], Mapping[str, Any]] | None = None
    limits: Limits = field(default_factory=Limits)
    env: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, session: Session, trial: Trial, rundir: Path) -> Job:
        """The command for one trial."""
        rundir.mkdir(parents=True, exist_ok=True)
        words = {"seed": str(trial.seed), "rundir": str(rundir), "python": sys.executable}
        overrides = overrides_of(session.experiment, trial.arm)
        lr = session.experiment.lr
        if lr is not None and trial.arm.lr_scale != 1.0:
            overrides.append(f"{lr.key}={lr.value * trial.arm.lr_scale!r}")
        argv: list[str] = []
        for part in self.command:
            argv += overrides if part == "{overrides}" else [_filled(part, words)]
        env = {**self.env, ENV_RUNDIR: str(rundir)}
        return Job(tuple(argv), rundir, env, self.limits, Path.cwd())

    def preflight(self, session: Session, rundir: Path) -> None:
        """The program must exist; nothing is run.

        Raises:
            ConfigError: it does not, or the command has no place for the overrides.
        """
        if isinstance(self.command, str):
            raise ConfigError(
                "workload.command is one text, but a list of words was expected.",
                hint='Write command: [python, train.py, "{overrides}"]; there is no shell between.',
            )
        if "{overrides}" not in self.command:
            raise ConfigError(
                "workload.command has no `{overrides}`, so every arm would be the same run.",
                hint='Put it where the options go: command: [python, train.py, "{overrides}"].',
            )
        program = _filled(self.command[0], {"python": sys.executable})
        if which(program) is None:
            raise ConfigError(
                f"workload.command begins with `{program}`, which is not a program on PATH.",
                hint="Write its full path, or {python} for the Python that runs bisect.",
            )


def _filled(part: str, words: Mapping[str, str]) -> str:
    """`part` with {names} filled in; other braces stay, as shell-like text needs them."""
    for name, value in words.items():
        part = part.replace("{" + name + "}", value)
    return part
