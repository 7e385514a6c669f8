"""The hunks of a changed file, and the file with some of them: every choice of them is a file.

Each takes the place of lines of the first version that no other one touches, so there is nothing
that could fail to apply.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bisector.workload.git import git, raw

_HEAD = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_APART = 2
"""Unchanged lines that part two hunks, at least; what is nearer belongs together."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of one version in place of lines of another; line numbers count from 0."""

    start: int
    """The first line that it takes the place of; or before which it comes, if there is none."""
    count: int
    new_start: int
    new: tuple[bytes, ...]


def hunks(old: str, new: str) -> tuple[Hunk, ...]:
    """How one blob becomes another; none if either holds what is no text."""
    options = ("--no-color", "--no-ext-diff", "--no-textconv", "--diff-algorithm=histogram", "-U0")
    told = git("diff", *options, f"--inter-hunk-context={_APART - 1}", old, new)
    lines = lines_of(raw("cat-file", "blob", new))
    return tuple(_hunk(found, lines) for found in _HEAD.finditer(told))


def with_hunks(text: bytes, some: Sequence[Hunk], chosen: Collection[int]) -> bytes:
    """The first version with the chosen hunks, counted from 0."""
    lines = lines_of(text)
    for number in sorted(chosen, reverse=True):
        hunk = some[number]
        if hunk.start >= len(lines) and lines and not lines[-1].endswith(b"\n") and hunk.new:
            lines[-1] += b"\n"
        lines[hunk.start : hunk.start + hunk.count] = hunk.new
    return b"".join(lines)


def lines_of(text: bytes) -> list[bytes]:
    """Lines as git counts them, with their ends."""
    return _LINE.findall(text)


def _hunk(found: re.Match[str], lines: Sequence[bytes]) -> Hunk:
    start, count, new_start, new_count = (
        int(number) if number is not None else 1 for number in found.groups()
    )
    # Where there are no lines, git names the one before.
    start, new_start = start - (count > 0), new_start - (new_count > 0)
    return Hunk(start, count, new_start, tuple(lines[new_start : new_start + new_count]))
