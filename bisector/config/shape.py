"""Is an experiment's YAML of the right shape: mappings, lists and single values in their places?

Hydra says that two things cannot be merged, and not where. The file itself can tell the line.
"""

from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml

from bisector.config.schema import ExperimentConf
from bisector.errors import ConfigError

_HINTS = {
    "a mapping": "Write names and values: {name: value}, or one a line, indented below it.",
    "a list": "Write it in brackets: [one, two].",
    "a single value": "Write one value; a text that holds `: ` or brackets goes into quotes.",
}


def check_shape(path: Path, shown: str) -> None:
    """Look at the file alone, without what its defaults add.

    Raises:
        ConfigError: it is not YAML, or holds, say, a text where a list belongs.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.YAMLError as e:
        raise not_yaml(e, shown) from None
    if root is not None:
        _check(root, ExperimentConf, "", shown)


def not_yaml(error: yaml.YAMLError, shown: str) -> ConfigError:
    """What is wrong with a file, and on which line."""
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error)
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return ConfigError(
        f"{shown}{place}: this is not YAML: {' '.join(text.split())}.",
        hint="Look for an open bracket or quote above, a tab, or a key that is there twice.",
    )


def _check(node: yaml.Node, kind: Any, key: str, shown: str) -> None:
    kind, optional = _inner(kind)
    if (_is_null(node) and optional) or _stands_for_another(node):
        return
    expected = _shape_of(kind)
    if _found(node) != expected:
        found = f"`{node.value}`" if isinstance(node, yaml.ScalarNode) else _found(node)
        raise ConfigError(
            f"{shown}, line {node.start_mark.line + 1}: {key or 'the whole file'} is "
            f"{'empty' if _is_null(node) else found}, but {expected} was expected.",
            hint=_HINTS[expected],
        )
    for name, child, inner in _children(node, kind):
        _check(child, inner, f"{key}{name}".lstrip("."), shown)


def _children(node: yaml.Node, kind: Any) -> list[tuple[str, yaml.Node, Any]]:
    """What leads to it, node and type of each part that has a type; the user's own parts have none."""
    if get_origin(kind) is list:
        (inner,) = get_args(kind)
        return [(f"[{i}]", child, inner) for i, child in enumerate(node.value)]
    if get_origin(kind) is dict:
        _, inner = get_args(kind)
        return [(f".{name.value}", child, inner) for name, child in node.value]
    if is_dataclass(kind):
        types = {f.name: f.type for f in fields(kind)}
        return [(f".{k.value}", v, types[k.value]) for k, v in node.value if k.value in types]
    return []


def _inner(kind: Any) -> tuple[Any, bool]:
    """The type without `None`, and whether that was allowed."""
    if get_origin(kind) in (Union, UnionType):
        return next(a for a in get_args(kind) if a is not NoneType), True
    return kind, kind is Any


def _shape_of(kind: Any) -> str:
    # What is typed Any are parts with a `_target_`, and the recipe.
    if kind is Any or is_dataclass(kind) or get_origin(kind) is dict:
        return "a mapping"
    return "a list" if get_origin(kind) is list else "a single value"


def _found(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _stands_for_another(node: yaml.Node) -> bool:
    """An interpolation, or a value that is still missing."""
    return isinstance(node, yaml.ScalarNode) and node.value.startswith(("${", "???"))
