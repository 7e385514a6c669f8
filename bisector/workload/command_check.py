"""Sees before any run that a command can be filled in, for every arm; nothing is run."""

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from shutil import which
from sys import executable
from typing import Protocol

from bisector.errors import ConfigError
from bisector.model.experiment import Addition, Experiment
from bisector.model.surroundings import is_surrounding, parted, place_set
from bisector.workload import config_file
from bisector.workload.options import names_in, without
from bisector.workload.spelling import Spelling, spell
from bisector.workload.template import OVERRIDES, filled, mentions


class Command(Protocol):
    """What of a command's workload is looked at."""

    @property
    def command(self) -> Sequence[str]: ...
    @property
    def spelling(self) -> str: ...
    @property
    def config(self) -> str: ...
    @property
    def folder(self) -> str: ...


def check(given: Command, experiment: Experiment) -> None:
    """See that every arm can be spelled.

    Raises:
        ConfigError: something cannot be used as written; the message names it.
    """
    _check_words(given)
    _check_config(given, experiment)
    for addition in experiment.additions:
        _check_addition(given, addition)
    for one, other in combinations(experiment.additions, 2):
        _check_apart(given, one, other)
    _check_program(given)


def _check_words(given: Command) -> None:
    if isinstance(given.command, str):
        raise ConfigError(
            "workload.command is one text, but a list of words was expected.",
            hint='Write command: [python, train.py, "{overrides}"]; there is no shell between.',
        )
    if given.spelling not in set(Spelling):
        near = get_close_matches(given.spelling, list(Spelling), 1)
        raise ConfigError(
            f"workload.spelling = {given.spelling}, but one of {', '.join(Spelling)} was expected.",
            hint=f"Did you mean `{near[0]}`?" if near else "It says how settings are passed on.",
        )
    if given.folder not in ("fresh", "here"):
        raise ConfigError(
            f"workload.folder = {given.folder}, but `fresh` or `here` was expected.",
            hint="fresh: each run has a folder of its own; here: all work where bisect is called.",
        )
    spelling = Spelling(given.spelling)
    if spelling in (Spelling.FILE, Spelling.ENVIRONMENT) or mentions(given.command, "overrides"):
        return
    raise ConfigError(
        f"workload.command has no `{OVERRIDES}`, so every arm would be the same run.",
        hint='Put it where the options go: command: [python, train.py, "{overrides}"].',
    )


def _check_config(given: Command, experiment: Experiment) -> None:
    if (given.spelling == Spelling.FILE or given.config) and not (
        given.config and mentions(given.command, "config")
    ):
        raise ConfigError(
            "workload.spelling = file needs both `config`, the file, and `{config}` in the command.",
            hint='For instance: config: base.yaml, command: [python, train.py, --config, "{config}"].',
        )
    if given.config:
        document = config_file.read(Path(given.config))
        for addition in experiment.additions:
            spelled = spell(parted(addition.overrides)[1], Spelling(given.spelling))
            config_file.patched(document, spelled.settings)


def _check_addition(given: Command, addition: Addition) -> None:
    spelled = spell(parted(addition.overrides)[1], Spelling(given.spelling))
    for option in spelled.taken:
        if without(given.command, option) == list(given.command):
            near = get_close_matches(option, given.command, 1)
            raise ConfigError(
                f"addition `{addition.name}` takes away `{option}`, which the command does not have.",
                hint=f"Did you mean `~{near[0]}`?" if near else "Write it as the command has it.",
            )


def _check_apart(given: Command, one: Addition, other: Addition) -> None:
    if other.name in one.excludes or one.name in other.excludes:
        return
    if same := sorted(_sets(given, one) & _sets(given, other)):
        raise ConfigError(
            f"additions `{one.name}` and `{other.name}` both set `{same[0]}`, so only one of them would take effect.",
            hint=f"Write `excludes: [{other.name}]` into `{one.name}`, or let them set different options.",
        )


def _sets(given: Command, addition: Addition) -> set[str]:
    """The options, keys and surroundings that an addition sets."""
    around = {place_set(o) for o in addition.overrides if is_surrounding(o)}
    spelled = spell(parted(addition.overrides)[1], Spelling(given.spelling))
    settings = {s.key for s in spelled.settings}
    return around | set(names_in(spelled.words)) | settings | set(spelled.env) | set(spelled.taken)


def _check_program(given: Command) -> None:
    program = filled(given.command, {"python": executable}, ())[0]
    if which(program) is None:
        raise ConfigError(
            f"workload.command begins with `{program}`, which is not a program on PATH.",
            hint="Write its full path, or {python} for the Python that runs bisect.",
        )
