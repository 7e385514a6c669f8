"""A configuration file with some of its settings changed: YAML, JSON or TOML, by its suffix."""

import json
import tomllib
from collections.abc import Callable, Sequence
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomli_w
import yaml

from bisector.errors import ConfigError
from bisector.workload.spelling import Setting, value_of


def _dump_yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _dump_json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


Read = Callable[[str], Any]
Write = Callable[[Any], str]

FORMATS: dict[str, tuple[Read, Write]] = {
    ".yaml": (yaml.safe_load, _dump_yaml),
    ".yml": (yaml.safe_load, _dump_yaml),
    ".json": (json.loads, _dump_json),
    ".toml": (tomllib.loads, tomli_w.dumps),
}


def read(path: Path) -> dict[str, Any]:
    """The file's mapping.

    Raises:
        ConfigError: it cannot be read, is of no format that is known, or holds no mapping.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"{path} is of no format that is known: its name should end in {', '.join(FORMATS)}.",
            hint="Rename it, or pass the settings on another way (workload.spelling).",
        )
    try:
        document = FORMATS[path.suffix][0](path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(
            f"{path} cannot be read: {e.strerror}.", hint="Is the path right, seen from here?"
        ) from None
    except (ValueError, yaml.YAMLError) as e:
        raise ConfigError(
            f"{path} cannot be read as {path.suffix[1:].upper()}: {' '.join(str(e).split())}.",
            hint="Mend the file.",
        ) from None
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path} holds no mapping of names to values.", hint="Settings are named by their keys."
        )
    return document


def write(path: Path, document: dict[str, Any]) -> None:
    """Leave the document in the format of the path's suffix."""
    path.write_text(FORMATS[path.suffix][1](document), encoding="utf-8")


def patched(document: dict[str, Any], settings: Sequence[Setting]) -> dict[str, Any]:
    """A copy with dotted keys set, or taken away where there is no value.

    Raises:
        ConfigError: a key leads through something that is no mapping, or a key to be taken
            away is not there.
    """
    whole = deepcopy(document)
    for setting in settings:
        node, name = _parent(whole, setting)
        if setting.value is not None:
            node[name] = value_of(setting.value)
        elif name in node:
            del node[name]
        else:
            near = get_close_matches(name, list(node), 1)
            raise ConfigError(
                f"`~{setting.key}` takes away a key that the configuration file does not have.",
                hint=f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(node)}.",
            )
    return whole


def number_at(document: dict[str, Any], key: str) -> float | None:
    """The number at a dotted key; None: there is none."""
    node: Any = document
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return float(node) if isinstance(node, int | float) and not isinstance(node, bool) else None


def _parent(whole: dict[str, Any], setting: Setting) -> tuple[dict[str, Any], str]:
    """The mapping that holds the setting's last name, made where there is none."""
    # A name with dots of its own is found whole before it is taken apart.
    node, rest = whole, setting.key
    while rest not in node and "." in rest:
        heads = [rest[:i] for i, c in enumerate(rest) if c == "."]
        head = next((h for h in reversed(heads) if h in node), heads[0])
        child = node.setdefault(head, {})
        if not isinstance(child, dict):
            raise ConfigError(
                f"`{setting.key}` leads through `{head}`, which is {child!r} and no mapping.",
                hint="Set the whole of it instead.",
            )
        node, rest = child, rest[len(head) + 1 :]
    return node, rest
