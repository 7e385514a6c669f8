"""Secrets of the environment, kept out of what is written: journals, job files, logs and what is read of them.

A secret is the value of a variable whose name says so, or that `redact` in the configuration names.
Its value is looked for wherever text is written, as it may have come there by any way: an
interpolation, an option, an error's message.
"""

import os
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

_NAMES = re.compile(
    r"(^|_)(PASS|PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRETS|TOKEN|CREDENTIALS?|AUTH|COOKIE|DSN"
    r"|(API|ACCESS|PRIVATE|SECRET|ACCOUNT|ENCRYPTION|SIGNING)_?KEY)(_|$)",
    re.IGNORECASE,
)
_SHORTEST = 8
"""Characters of the shortest secret: a shorter one is in many a word."""
_MORE = "BISECT_REDACT"
"""The variable by which `redact` reaches every process of a search."""


def also(patterns: Sequence[str]) -> None:
    """Conceal these variables as well, here and in processes started from here; `*` is any text."""
    if patterns:
        os.environ[_MORE] = ",".join(patterns)  # noqa: TID251  so that children know them


def secrets(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name to value, the longest value first: one may be part of another."""
    # Where secrets are is what this module is about.
    found = os.environ if environment is None else environment  # noqa: TID251
    patterns = [p for p in found.get(_MORE, "").split(",") if p]
    kept = {
        name: value
        for name, value in found.items()
        if len(value) >= _SHORTEST
        and (_NAMES.search(name) or any(fnmatchcase(name, p) for p in patterns))
    }
    return dict(sorted(kept.items(), key=lambda item: -len(item[1])))


def concealed(value: object) -> object:
    """Plain JSON with a word in place of every secret; keys stay as they are."""
    return _in_all(value, [(secret, f"(concealed {name})") for name, secret in secrets().items()])


def referred(value: object) -> object:
    """The same with a reference in place of every secret, for `restored` to follow."""
    return _in_all(value, [(secret, _reference(name)) for name, secret in secrets().items()])


def restored(value: object) -> object:
    """What was `referred`, by this process' environment."""
    return _in_all(value, [(_reference(name), secret) for name, secret in secrets().items()])


def _reference(name: str) -> str:
    return f"{{secret:{name}}}"


def _in_all(value: object, changes: Sequence[tuple[str, str]]) -> object:
    match value:
        case str():
            for old, new in changes:
                value = value.replace(old, new)
            return value
        case Mapping():
            return {key: _in_all(inner, changes) for key, inner in value.items()}
        case list() | tuple():
            return [_in_all(inner, changes) for inner in value]
        case _:
            return value
