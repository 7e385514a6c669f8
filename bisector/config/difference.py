"""What differs between two configurations, as additions to the first; nothing here is composed.

A mapping whose type has changed (`_target_`, `name`, ...) differs as a whole: its other keys mean
nothing without it. So does a mapping that only one side has. All else differs value by value.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

CODE = "git:"
"""The first part of the path of what is code; no key of a configuration."""
HUNK = ":"
"""Before the lines of a hunk, the last part of its path."""

_TYPES = ("_target_", "class_path", "type", "name", "cls", "class")
"""Keys that say what a mapping describes."""


class Change(StrEnum):
    """How a place differs."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    SWAPPED = "swapped"
    """A mapping of another type."""
    OPTION = "option"
    """Another option of a Hydra group."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which two configurations differ."""

    path: tuple[str, ...]
    change: Change
    good: Any = None
    bad: Any = None
    overrides: tuple[str, ...] = ()
    """Of code, what brings it; the first part of its path is then `CODE`."""

    @property
    def name(self) -> str:
        """The place: a dotted key, a file's path, or that with the lines of a hunk."""
        return stem(self.path)


def stem(path: Sequence[str]) -> str:
    """How a place is written, or the part that several have in common."""
    if path[:1] != (CODE,):
        return ".".join(path)
    return "/".join(path[1:]).replace(f"/{HUNK}", HUNK) or "code"


@dataclass(frozen=True, slots=True)
class Group:
    """Differences that are tried together; taken apart only if they are to blame."""

    name: str
    members: tuple[Difference, ...]
    requires: frozenset[str] = frozenset()
    """Groups without which it cannot be tried."""


def differences(
    good: Mapping[str, Any], bad: Mapping[str, Any], path: tuple[str, ...] = ()
) -> list[Difference]:
    """All places at which two mappings differ, in the order of the first and then of the second."""
    if path and (swapped := _swapped(good, bad)):
        return [Difference(path, swapped, good, bad)]
    found: list[Difference] = []
    for key in [*good, *(k for k in bad if k not in good)]:
        place = (*path, str(key))
        if key not in bad:
            found.append(Difference(place, Change.REMOVED, good[key]))
        elif key not in good:
            found.append(Difference(place, Change.ADDED, None, bad[key]))
        elif isinstance(good[key], Mapping) and isinstance(bad[key], Mapping):
            found += differences(good[key], bad[key], place)
        elif not _same(good[key], bad[key]):
            found.append(Difference(place, Change.CHANGED, good[key], bad[key]))
    return found


def grouped(found: Sequence[Difference], most: int) -> list[Group]:
    """At most so many groups, of neighbours below the same key as far as that goes.

    The largest group is taken apart first, by the next part of its members' paths.
    """
    groups = _by_part(found, 0)
    if len(groups) > most:
        return _chunks(groups, most)
    while len(groups) < most:
        largest = max(groups, key=lambda g: len(g.members), default=None)
        if largest is None or len(largest.members) == 1:
            break
        room = most - len(groups) + 1
        parts = _by_part(largest.members, _common(largest.members))
        at = groups.index(largest)
        groups[at : at + 1] = parts if len(parts) <= room else _chunks(parts, room)
    return groups


def as_hydra(difference: Difference, prefix: str = "", *, force: bool = False) -> list[str]:
    """The overrides by which Hydra makes the first configuration like the second at this place.

    `force` sets a value whether or not its key is there without other additions.
    """
    key = prefix + difference.name
    match difference.change:
        case Change.REMOVED:
            # Hydra takes a key that holds nothing for one that is not there.
            return [*([f"{key}=0"] if difference.good is None else []), f"~{key}"]
        case Change.ADDED:
            return [f"{'++' if force else '+'}{key}={hydra_value(difference.bad)}"]
        case Change.OPTION:
            return [f"{key}={difference.bad}"]
        case Change.SWAPPED:
            # Hydra merges mappings; what only the first one has must go before.
            return [f"~{key}", f"+{key}={hydra_value(difference.bad)}"]
        case Change.CHANGED if _other_container(difference):
            # Nor does it put a mapping in the place of a list, or the reverse.
            return [f"~{key}", f"+{key}={hydra_value(difference.bad)}"]
        case Change.CHANGED:
            return [f"{'++' if force else ''}{key}={hydra_value(difference.bad)}"]


def hydra_value(value: object) -> str:
    """A value in the grammar of Hydra's overrides."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{hydra_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(hydra_value, value)) + "]"
    if isinstance(value, str):
        return str(QuotedString(text=value, quote=Quote.single).with_quotes())
    return json.dumps(value, default=str)


def _swapped(good: Mapping[str, Any], bad: Mapping[str, Any]) -> Change | None:
    changed = any(good.get(t) != bad.get(t) for t in _TYPES if isinstance(good.get(t), str))
    return Change.SWAPPED if changed else None


def _other_container(difference: Difference) -> bool:
    kinds = {type(v) for v in (difference.good, difference.bad) if isinstance(v, dict | list)}
    return len(kinds) > 1


def _same(one: Any, other: Any) -> bool:
    """Equal, and both truth values or neither: 1 and 1.0 are the same setting, 1 and true are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _by_part(found: Sequence[Difference], depth: int) -> list[Group]:
    parts: dict[tuple[str, ...], list[Difference]] = {}
    for difference in found:
        parts.setdefault(difference.path[: depth + 1], []).append(difference)
    return [_group(tuple(members)) for members in parts.values()]


def _group(members: tuple[Difference, ...]) -> Group:
    """Neighbours that have a part of their paths in common, which names them."""
    if len(members) == 1:
        return Group(members[0].name, members)
    return Group(f"{stem(members[0].path[: _common(members)])}({len(members)})", members)


def _common(members: Sequence[Difference]) -> int:
    """How many parts the members' paths have in common."""
    first, last = min(m.path for m in members), max(m.path for m in members)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return shared


def _chunks(groups: Sequence[Group], most: int) -> list[Group]:
    """Neighbours put together, evenly, where there are too many keys side by side."""
    members = [m for g in groups for m in g.members]
    size = -(-len(members) // most)
    some = [tuple(members[at : at + size]) for at in range(0, len(members), size)]
    return [Group(f"{m[0].name}..({len(m)})" if len(m) > 1 else m[0].name, m) for m in some]
