"""How a setting is written for a program: as options, `key=value`, variables or in a file.

An override is `key=value`, `+key=value` (a key that is new) or `~key` (a key that is taken
away). What begins with `-` is passed on as it is, in every spelling.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

from bisector.errors import ConfigError

_TWO_WORDS = re.compile(r"-{1,2}[A-Za-z][\w.-]*\s")
"""`--mixup 0.8`: an option with its value in one text, as one would type it."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class Spelling(StrEnum):
    """The dialects of command lines."""

    WORDS = "words"
    """As written: an override is a word of the command line."""
    ARGPARSE = "argparse"
    """`key=value` becomes `--key value`; true and false become `--key` and `--no-key`."""
    ARGPARSE_EQUALS = "argparse="
    """The same, in one word: `--key=value`."""
    HYDRA = "hydra"
    """As written, since Hydra knows `key=value`, `+key=value` and `~key`."""
    KEY_VALUE = "key=value"
    """One word without quotes, for OmegaConf's and home-made parsers."""
    ENVIRONMENT = "env"
    """A variable of that name."""
    FILE = "file"
    """A place in the configuration file whose copy takes the place of `{config}`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One override, read."""

    key: str
    value: str | None
    """As it was written; None: the key is taken away."""

    @property
    def text(self) -> str:
        """The value as a program should get it in one word: without the quotes around it."""
        plain = value_of(self.value or "")
        return plain if isinstance(plain, str) else (self.value or "")


@dataclass(frozen=True, slots=True)
class Spelled:
    """What overrides become."""

    words: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    """For the configuration file."""
    taken: tuple[str, ...] = ()
    """Options of the baseline's command line that are taken away."""


def spell(overrides: Sequence[str], spelling: Spelling) -> Spelled:
    """The overrides as a program of that dialect takes them.

    Raises:
        ConfigError: one of them is no setting, or cannot be said in that dialect.
    """
    words: list[str] = []
    env: dict[str, str] = {}
    settings: list[Setting] = []
    taken: list[str] = []
    for text in overrides:
        if literal := _literal(text, spelling):
            words += literal
        elif text.startswith("~-"):
            taken.append(text[1:])
        else:
            setting = setting_of(text)
            if spelling is Spelling.ENVIRONMENT:
                env[setting.key] = setting.text
            elif spelling is Spelling.FILE:
                settings.append(setting)
            elif setting.value is None or setting.value == "null":
                taken.append(_named(setting, spelling))
            else:
                words += _words(setting, spelling)
    return Spelled(tuple(words), env, tuple(settings), tuple(taken))


def setting_of(text: str) -> Setting:
    """An override, read.

    Raises:
        ConfigError: it is none.
    """
    if text.startswith("~"):
        return Setting(text[1:].partition("=")[0], None)
    key, equals, value = text.removeprefix("++").removeprefix("+").partition("=")
    if not equals or not key:
        raise ConfigError(
            f"The override `{text}` is neither key=value nor ~key.",
            hint="Write key=value, or --the-words themselves; workload.spelling says how it is passed on.",
        )
    return Setting(key, value)


def written(key: str, value: object) -> str:
    """The override that `setting_of` and `value_of` read as this key and value."""
    if isinstance(value, str) and value_of(value) == value:
        return f"{key}={value}"
    return f"{key}={json.dumps(value, ensure_ascii=False)}"


def value_of(text: str) -> Any:
    """The value that a text stands for: JSON, a number, a flow list or mapping, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text[:1] + text[-1:] in ("[]", "{}", "''"):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text
    return text


def _literal(text: str, spelling: Spelling) -> list[str]:
    """The words of an override that is passed on as it is; none: it is a setting."""
    if _TWO_WORDS.match(text):
        return shlex.split(text)
    if text.startswith("-") or (
        spelling in (Spelling.WORDS, Spelling.HYDRA) and not text.startswith("~-")
    ):
        return [text]
    return []


def _words(setting: Setting, spelling: Spelling) -> list[str]:
    if spelling is Spelling.KEY_VALUE:
        return [f"{setting.key}={setting.text}"]
    value = value_of(setting.value or "")
    if isinstance(value, bool):
        return [f"--{setting.key}" if value else f"--no-{setting.key}"]
    option = _named(setting, spelling)
    if isinstance(value, list):
        items = [item if isinstance(item, str) else json.dumps(item) for item in value]
        return [f"{option}={' '.join(items)}"] if _joined(spelling) else [option, *items]
    # A value that looks like an option has to be joined to its own.
    if _joined(spelling) or setting.text.startswith("-"):
        return [f"{option}={setting.text}"]
    return [option, setting.text]


def _joined(spelling: Spelling) -> bool:
    return spelling is Spelling.ARGPARSE_EQUALS


def _named(setting: Setting, spelling: Spelling) -> str:
    if spelling is Spelling.KEY_VALUE:
        raise ConfigError(
            f"`~{setting.key}` takes a key away, which `spelling: key=value` has no words for.",
            hint="Set it to a value that means off.",
        )
    return f"--{setting.key}"
