"""Where in its file an experiment declares its additions."""

from pathlib import Path

import yaml

from bisector.config.blame import shown


def declared(path: Path) -> dict[str, tuple[str, int]]:
    """Addition to file and line (from 1) of its key; empty where the file has no additions."""
    root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return {
        key.value: (shown(path), key.start_mark.line + 1)
        for key, _ in _entries(_below(root, "additions"))
    }


def _below(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _entries(node) if key.value == name), None)


def _entries(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []
