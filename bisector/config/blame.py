"""Turns Hydra's and OmegaConf's errors into one sentence with a mend.

Their first line seldom holds the reason, so all of the text is kept, on one
line, unless the mistake is recognised and can be told better.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

from bisector.config.schema import ExperimentConf
from bisector.errors import ConfigError

_FULL_KEY = re.compile(r"full_key: (\S+)")
_NO_OPTION = re.compile(r"Could not (?:find|load) '([^']+)'")
_NO_GROUP = re.compile(r"Could not override '([^']+)'\.\s*No match in the defaults list")
_NO_NULL = re.compile(r"field '([^']+)' is not Optional")
_NO_REFERENCE = re.compile(r"Interpolation key '([^']+)' not found")
_MISSING = re.compile(r"Missing mandatory value")
_NOISE = re.compile(
    r"\s*(full_key|object_type|reference_type): ?\S*|\s*(full_key|object_type|reference_type)=\S+"
    r"|,? ?set env var HYDRA_FULL_ERROR=1 \S.*|See https://hydra\.cc\S* for details"
    r"|Error merging override \S+"
    r"|In '[^']+': \w+ raised while composing config:"
)
_NO_VALUE = re.compile(r"Value '(.*?)' .*?(?:could not be converted to|is not a valid) (\w+)")
_KINDS = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}
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
    if misspelt := _misspelt(error, text, where, path):
        return misspelt
    key = _FULL_KEY.search(text)
    if key and (value := _NO_VALUE.search(text)):
        return ConfigError(
            f"{where}{key[1]} = {value[1]}, but {_KINDS.get(value[2], value[2])} was expected.",
            hint=_look(path, key),
        )
    if key and _NO_KEY.search(text):
        missing = _no_group(where, key[1], path) if "/" in key[1] else None
        return missing or _no_key(where, key[1], base)
    return ConfigError(where + _plain(text, key), hint=_look(path, key))


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """`Did you mean ...?`, or the list of what there is; `prefix` makes a name a full key."""
    names = sorted(known)
    if near := get_close_matches(name, names, 1):
        return f"Did you mean `{prefix}{near[0]}`?"
    return f"There are: {', '.join(names)}." if names else "There are none."


def shown(path: Path) -> str:
    """The path as the user would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _misspelt(error: Exception, text: str, where: str, path: Path) -> ConfigError | None:
    """The error if it is of Hydra's grammar, or of a group or option that is not there."""
    if isinstance(error, OverrideParseException):
        return _no_override(error)
    if "Ambiguous value" in text:
        return ConfigError(
            f"{where}it gives several values where a run takes one.",
            hint="To try them all, `bisect sweep`; a list is written [1,2], text with a comma 'key=\"1,2\"'.",
        )
    if option := _NO_OPTION.search(text):
        return _no_option(where, option[1], text)
    if group := _NO_GROUP.search(text):
        return _no_group(where, group[1], path)
    return None


def _whole(error: BaseException) -> str:
    """The error with its causes: Hydra keeps OmegaConf's reason in the cause alone."""
    cause = error.__cause__
    return f"{error} {_whole(cause)}" if cause else str(error)


def _plain(text: str, key: re.Match[str] | None) -> str:
    """The reason in Hydra's words, less what only Hydra's authors can use."""
    if field := _NO_NULL.search(text):
        return f"`{field[1]}` cannot be null."
    if key and _MISSING.search(text):
        return f"{key[1]} is `???`: it has no value yet."
    if reference := _NO_REFERENCE.search(text):
        who = f"{key[1]} refers to" if key else "there is a reference to"
        return f"{who} `{reference[1]}`, which is not there."
    return " ".join(_NOISE.sub(" ", text).split()).rstrip(".") + "."


def _no_override(error: OverrideParseException) -> ConfigError:
    reason = str(error).splitlines()[0].strip().rstrip(".")
    return ConfigError(
        f"Override `{error.override}` cannot be read: {reason}.",
        hint="Write key=value; a value with =, commas, brackets or blanks is quoted twice: 'key=\"a=b\"'.",
    )


def _no_option(where: str, wanted: str, text: str) -> ConfigError:
    options = [line.strip() for line in text.partition("Available options")[2].splitlines()[1:]]
    group, _, name = wanted.rpartition("/")
    return ConfigError(
        f"{where}there is no `{name}` in the configuration group `{group}`."
        if group
        else f"{where}there is no configuration `{name}`.",
        hint=nearest(name, filter(None, [*options, *([] if group else ["bisect_schema"])])),
    )


def _no_group(where: str, group: str, path: Path) -> ConfigError:
    folders = [f.relative_to(path.parent).as_posix() for f in path.parent.rglob("*/")]
    near = get_close_matches(group, folders, 1)
    hint = "A group is a folder of conf/ that the defaults list names; a value is set with dots: a.b=1."
    if near:
        hint = f"Did you mean `{near[0]}`?"
    if group in near:
        hint = f"It is not in the defaults list of {shown(path)}: add `- {group}: NAME` there."
    return ConfigError(f"{where}there is no configuration group `{group}`.", hint=hint)


def _no_key(where: str, key: str, base: DictConfig | None) -> ConfigError:
    parent, _, name = key.rpartition(".")
    known = _keys(parent, base)
    add = (
        f" To add a key that the recipe does not have, write `+{key}=...`."
        if key.startswith("recipe")
        else ""
    )
    prefix = f"{parent}." if parent else ""
    hint = nearest(name, known, prefix) + add
    return ConfigError(f"{where}there is no key `{key}`.", hint=hint)


def _look(path: Path, key: re.Match[str] | None) -> str:
    return f"Look at `{key[1]}` in {shown(path)}." if key else f"Look at {shown(path)}."


def _keys(parent: str, base: DictConfig | None) -> list[str]:
    if base is not None:
        node: Any = OmegaConf.select(base, parent) if parent else base
        return [str(k) for k in node] if isinstance(node, Mapping | DictConfig) else []
    kind: Any = ExperimentConf
    for part in filter(None, parent.split(".")):
        kind = _below(kind, part)
    return [f.name for f in fields(kind)] if is_dataclass(kind) else []


def _below(kind: Any, part: str) -> Any:
    """The type of the part of a typed thing; None: it has no such part."""
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    found = (
        next((f.type for f in fields(kind) if f.name == part), None) if is_dataclass(kind) else None
    )
    if get_origin(found) in (Union, UnionType):
        return next(a for a in get_args(found) if a is not NoneType)
    return found
