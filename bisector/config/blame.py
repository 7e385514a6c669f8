"""Turns Hydra's and OmegaConf's errors into one sentence with a mend.

Their first line seldom holds the reason, so all of the text is kept, on one
line, unless the mistake is recognised and can be told better.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from bisector.config.schema import ExperimentConf
from bisector.errors import ConfigError

_FULL_KEY = re.compile(r"full_key: (\S+)")
_NO_OPTION = re.compile(r"Could not (?:find|load) '([^']+)'")
_NO_GROUP = re.compile(r"Could not override '([^']+)'\.\s*No match in the defaults list")
_NO_VALUE = re.compile(r"Value '(.*?)' .*could not be converted to (\w+)")
_KINDS = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
_NO_KEY = re.compile(r"is not in struct|not in '|Could not override|not in the defaults")


def blame(error: Exception, path: Path, base: DictConfig | None, *, what: str) -> ConfigError:
    """The error as a user should read it: file, key, what was found, what to do.

    Args:
        error: what Hydra or OmegaConf raised.
        path: the experiment's file.
        base: the composed baseline, if it composes, for the names that exist.
        what: whose override it was, e.g. ``addition `focal` ``; empty: the file's own.
    """
    text = _whole(error)
    where = f"{shown(path)}: {what}: " if what else f"{shown(path)}: "
    if option := _NO_OPTION.search(text):
        return _no_option(where, option[1], text)
    if group := _NO_GROUP.search(text):
        return ConfigError(
            f"{where}there is no configuration group `{group[1]}`.",
            hint="A group is a folder of conf/ that the defaults list names; a value is set with dots: a.b=1.",
        )
    key = _FULL_KEY.search(text)
    if key and (value := _NO_VALUE.search(text)):
        return ConfigError(
            f"{where}{key[1]} = {value[1]}, but {_KINDS.get(value[2], value[2])} was expected.",
            hint=_look(path, key),
        )
    if key and _NO_KEY.search(text):
        return _no_key(where, key[1], base)
    return ConfigError(where + " ".join(text.split()), hint=_look(path, key))


def nearest(name: str, known: Iterable[str]) -> str:
    """`Did you mean ...?`, or the list of what there is."""
    names = sorted(known)
    if near := get_close_matches(name, names, 1):
        return f"Did you mean `{near[0]}`?"
    return f"There are: {', '.join(names)}." if names else "There are none."


def shown(path: Path) -> str:
    """The path as the user would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _whole(error: BaseException) -> str:
    """The error with its causes: Hydra keeps OmegaConf's reason in the cause alone."""
    cause = error.__cause__
    return f"{error} {_whole(cause)}" if cause else str(error)


def _no_option(where: str, wanted: str, text: str) -> ConfigError:
    options = [line.strip() for line in text.partition("Available options")[2].splitlines()[1:]]
    group, _, name = wanted.rpartition("/")
    return ConfigError(
        f"{where}there is no `{name}` in the configuration group `{group}`."
        if group
        else f"{where}there is no configuration `{name}`.",
        hint=nearest(name, filter(None, options)),
    )


def _no_key(where: str, key: str, base: DictConfig | None) -> ConfigError:
    parent, _, name = key.rpartition(".")
    known = _keys(parent, base)
    add = (
        f" To add a key that the recipe does not have, write `+{key}=...`."
        if key.startswith("recipe")
        else ""
    )
    return ConfigError(f"{where}there is no key `{key}`.", hint=nearest(name, known) + add)


def _look(path: Path, key: re.Match[str] | None) -> str:
    return f"Look at `{key[1]}` in {shown(path)}." if key else f"Look at {shown(path)}."


def _keys(parent: str, base: DictConfig | None) -> list[str]:
    if base is not None:
        node: Any = OmegaConf.select(base, parent) if parent else base
        return [str(k) for k in node] if isinstance(node, Mapping | DictConfig) else []
    kind: Any = ExperimentConf
    for part in filter(None, parent.split(".")):
        kind = next((f.type for f in fields(kind) if f.name == part), None)
        if not is_dataclass(kind):
            return []
    return [f.name for f in fields(kind)]
