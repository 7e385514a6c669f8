"""What an arm changes around a training and not in it: variables, the interpreter, the code.

Such an override begins with `env:`, `python:` or `git:`, whatever kind of code is trained.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ENV, PYTHON, GIT = "env:", "python:", "git:"
_PIECE = re.compile(r"[^:{]+:.+", re.DOTALL)
"""`REV:PATH` and `REV@@HUNK:PATH`; a colon may stand within braces: `HEAD^{/fix: it}`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a run runs, as far as an arm says so."""

    env: Mapping[str, str] = field(default_factory=dict)
    """`env:NAME=VALUE`: variables that are set."""
    python: str | None = None
    """`python:PATH`: the interpreter, or the folder of its virtual environment."""
    revision: str | None = None
    """`git:REV`: the commit whose code is run."""
    pieces: tuple[str, ...] = ()
    """`git:REV:PATH`: a file as a commit has it; `git:REV@@3:PATH`: one hunk of it. Without `git:`."""

    @property
    def elsewhere(self) -> bool:
        """Whether other code than that of the folder is run."""
        return bool(self.revision or self.pieces)


def parted(overrides: Iterable[str]) -> tuple[Surroundings, tuple[str, ...]]:
    """The surroundings that overrides ask for, the last word counting, and all other overrides."""
    env: dict[str, str] = {}
    python = revision = None
    pieces: list[str] = []
    rest: list[str] = []
    for text in overrides:
        if text.startswith(ENV):
            name, _, value = text.removeprefix(ENV).partition("=")
            env[name] = value
        elif text.startswith(PYTHON):
            python = text.removeprefix(PYTHON)
        elif is_piece(text):
            pieces.append(text.removeprefix(GIT))
        elif text.startswith(GIT):
            revision = text.removeprefix(GIT)
        else:
            rest.append(text)
    return Surroundings(env, python, revision, tuple(pieces)), tuple(rest)


def is_surrounding(override: str) -> bool:
    """Whether an override is about the surroundings."""
    return override.startswith((ENV, PYTHON, GIT))


def is_piece(override: str) -> bool:
    """Whether an override brings a file, or a part of one, of another revision."""
    return override.startswith(GIT) and bool(_PIECE.fullmatch(override.removeprefix(GIT)))


def place_set(override: str) -> str:
    """What a surrounding override sets, so that two that set the same can be told."""
    if is_piece(override):
        revision, _, path = override.removeprefix(GIT).partition(":")
        return f"git:{path}{''.join(revision.partition('@@')[1:])}"
    prefix, _, rest = override.partition(":")
    return f"env:{rest.partition('=')[0]}" if prefix == "env" else prefix
