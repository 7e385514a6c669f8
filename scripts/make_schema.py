"""Write the JSON Schema of a verdict and its page: `--check` only says if they are up to date.

The schema is read off the classes that `as_json` writes, so that the three cannot differ.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from bisector.report.as_json import FORMAT, KEYS
from bisector.report.summary import Summary

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "bisector" / "report" / "verdict.schema.json"
PUBLISHED = ROOT / "docs" / "verdict.schema.json"
PAGE = ROOT / "docs" / "howto" / "json.md"

_PLAIN: dict[object, object] = {
    str: "string",
    int: "integer",
    float: ["number", "null"],
    bool: "boolean",
    NoneType: "null",
}
_INTRODUCTION = """\
# A verdict for machines

`bisect run conf=X --json` and `bisect report conf=X --json` print one JSON object: what the report page says, as data.

```sh
bisect report conf=mine --json | jq -r '.ruling, .culprits[0][0]'
```

Its layout is a [JSON Schema](../verdict.schema.json) (draft 2020-12), which also travels in the package as
`bisector/report/verdict.schema.json`. `format` is {format}; it is raised when a key changes its meaning or goes. New keys
do not raise it, so take what you know and let the rest pass. Numbers that JSON cannot hold (NaN, infinities) are
`null`. Names stand in backticks within sentences.
"""


class Schema:
    """Collects the definition of each class that is met."""

    def __init__(self) -> None:
        self.definitions: dict[str, object] = {}

    def of(self, kind: Any) -> dict[str, object]:
        """The schema of one annotated type."""
        origin, args = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):
            # A float is null as well: JSON has no NaN.
            kinds = [a for a in args if a is not NoneType or float not in args]
            return self.of(kinds[0]) if len(kinds) == 1 else {"anyOf": [self.of(a) for a in kinds]}
        if origin in (tuple, frozenset):
            return {"type": "array", "items": self.of(args[0])}
        if origin is Mapping:
            return {"type": "object", "additionalProperties": self.of(args[1])}
        return self._single(kind)

    def _single(self, kind: Any) -> dict[str, object]:
        if isinstance(kind, type) and is_dataclass(kind):
            return self._class(kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"enum": [m.value for m in kind]}
        return {"type": _PLAIN[kind]} if kind in _PLAIN else {}

    def _class(self, kind: type) -> dict[str, object]:
        name = kind.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # Known from here on: a class may hold itself.
            hints, told = get_type_hints(kind), described(kind)
            shown = [f.name for f in fields(kind)]  # type: ignore[arg-type]
            self.definitions[name] = {
                "description": (kind.__doc__ or "").split("\n")[0],
                "type": "object",
                "required": shown,
                "properties": {n: told.get(n, {}) | self.of(hints[n]) for n in shown},
            }
        return {"$ref": f"#/$defs/{name}"}


def described(kind: type) -> dict[str, dict[str, object]]:
    """The sentences below a class' fields."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    told: dict[str, dict[str, object]] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            words = " ".join(str(ast.literal_eval(text.value)).split())
            told[ast.unparse(field.target)] = {"description": words}
    return told


def schema() -> dict[str, object]:
    """The schema of what `as_json` gives."""
    made, hints = Schema(), get_type_hints(Summary)
    shown: dict[str, object] = {"format": {"description": KEYS["format"], "const": FORMAT}}
    for key in list(KEYS)[1:]:
        found = getattr(Summary, key)
        kind = get_type_hints(found.fget)["return"] if isinstance(found, property) else hints[key]
        shown[key] = {"description": KEYS[key], **made.of(kind)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The verdict of a search",
        "type": "object",
        "required": list(KEYS),
        "properties": shown,
        "$defs": dict(sorted(made.definitions.items())),
    }


def page(told: dict[str, Any]) -> str:
    """The schema as tables."""
    parts = [_INTRODUCTION.format(format=FORMAT), "## The verdict\n", _table(told["properties"])]
    for name, definition in told["$defs"].items():
        parts += [
            f"## {name}\n",
            f"{definition['description']}\n",
            _table(definition["properties"]),
        ]
    return "\n".join(parts)


def _table(properties: dict[str, Any]) -> str:
    rows = [
        f"| `{key}` | {_type(value)} | {value.get('description', '').replace('|', chr(92) + '|')} |"
        for key, value in properties.items()
    ]
    return "\n".join(["| key | is | says |", "|---|---|---|", *rows]) + "\n"


def _type(value: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in value:
        return " or ".join(_type(k) for k in value["anyOf"])
    if "items" in value:
        return f"list of {_type(value['items'])}"
    if "additionalProperties" in value:
        return f"object of {_type(value['additionalProperties'])}"
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    words = value.get("enum") or [value[k] for k in ("const",) if k in value]
    kinds = value.get("type", "anything")
    return ", ".join(f"`{w}`" for w in words) or (
        kinds if isinstance(kinds, str) else " or ".join(kinds)
    )


def written() -> dict[Path, str]:
    """File to content."""
    told = schema()
    text = json.dumps(told, indent=1) + "\n"
    return {SHIPPED: text, PUBLISHED: text, PAGE: page(told)}


def main(words: list[str]) -> int:
    """Write, or with `--check` say which files are out of date."""
    stale = [p for p, text in written().items() if not p.exists() or p.read_text() != text]
    if "--check" in words:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run scripts/make_schema.py")
        return 1 if stale else 0
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
