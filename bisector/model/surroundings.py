"""What an arm changes around a training and not in it: variables, the interpreter, the code.

Such an override begins with `env:`, `python:` or `git:`, whatever kind of code is trained.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ENV, PYTHON, GIT = "env:", "python:", "git:"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a run runs, as far as an arm says so."""

    env: Mapping[str, str] = field(default_factory=dict)
    """`env:NAME=VALUE`: variables that are set."""
    python: str | None = None
    """`python:PATH`: the interpreter, or the folder of its virtual environment."""
    revision: str | None = None
    """`git:REV`: the commit whose code is run."""


def parted(overrides: Iterable[str]) -> tuple[Surroundings, tuple[str, ...]]:
    """The surroundings that overrides ask for, the last word counting, and all other overrides."""
    env: dict[str, str] = {}
    python = revision = None
    rest: list[str] = []
    for text in overrides:
        if text.startswith(ENV):
            name, _, value = text.removeprefix(ENV).partition("=")
            env[name] = value
        elif text.startswith(PYTHON):
            python = text.removeprefix(PYTHON)
        elif text.startswith(GIT):
            revision = text.removeprefix(GIT)
        else:
            rest.append(text)
    return Surroundings(env, python, revision), tuple(rest)


def is_surrounding(override: str) -> bool:
    """Whether an override is about the surroundings."""
    return override.startswith((ENV, PYTHON, GIT))


def place_set(override: str) -> str:
    """What a surrounding override sets, so that two that set the same can be told."""
    prefix, _, rest = override.partition(":")
    return f"env:{rest.partition('=')[0]}" if prefix == "env" else prefix
