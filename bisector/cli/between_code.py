"""What differs between two revisions: files, then the hunks of a file, and who changed them.

A piece is a `Difference` whose overrides bring it to the first revision's code, so that code is
searched like any setting: neighbours together, taken apart only if they are to blame.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from bisector.config.difference import CODE, HUNK, Change, Difference
from bisector.model.surroundings import GIT
from bisector.workload.git import commit_of, git, raw
from bisector.workload.hunks import Hunk, hunks, with_hunks
from bisector.workload.python_needs import Version
from bisector.workload.trees import LINK, MODULE, UNCOMMITTED, Entry, Piece, entry, snapshot

_NOTHING = "0" * 40
_SHORT = 12
_LINES = 12
"""Lines of a hunk that are shown."""


@dataclass(frozen=True, slots=True)
class Code:
    """Two commits that are compared."""

    good: str
    bad: str
    pieces: tuple[Difference, ...] = ()
    """A file each."""
    modules: tuple[str, ...] = ()
    """Repositories within this one that differ, and are the same for every run."""
    commits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By path, the commits that touched it, the latest first."""
    renamed: dict[str, str] = field(default_factory=dict)
    """By path, that of the file of the first commit which it was made from."""


def code_of(good: str, bad: str) -> Code:
    """What differs between two revisions; an empty one is the working folder.

    Raises:
        ConfigError: one of them is none.
    """
    first = commit_of(good)
    last = commit_of(bad) if bad else snapshot()
    told = git("diff", "--raw", "-z", "--no-renames", "--abbrev=40", first, last).split("\0")
    changes = [(info.split(" "), path) for info, path in zip(told[::2], told[1::2], strict=False)]
    modules = tuple(path for info, path in changes if MODULE in (info[0][1:], info[1]))
    pieces = tuple(_file(last, info, path) for info, path in changes if path not in modules)
    return Code(first, last, pieces, modules, _commits(first, last), _renamed(first, last))


def parts_of(code: Code, piece: Difference) -> tuple[Difference, ...]:
    """The hunks of a changed file, those that only together are Python as one; itself: it has none."""
    path = path_of(piece)
    if piece.change is not Change.CHANGED or _hunk_of(piece):
        return (piece,)
    old, new = _entries(code, path)
    if old.mode != new.mode or LINK in (old.mode, new.mode):
        return (piece,)
    found = hunks(old.blob, new.blob)
    joined = _joined(path, raw("cat-file", "blob", old.blob), found)
    if len(joined) < 2:
        return (piece,)
    return tuple(_part(code, piece, [found[i] for i in some], some) for some in joined)


def version_of(code: Code, piece: Difference) -> Version:
    """The file of a piece without it, and with it alone, for what its text tells."""
    path = path_of(piece)
    some = _hunk_of(piece)
    if not path.endswith(".py") or not some:
        return Version(path, _text(path, piece.good), _text(path, piece.bad))
    old, new = _entries(code, path)
    after = with_hunks(raw("cat-file", "blob", old.blob), hunks(old.blob, new.blob), some)
    return Version(path, _text(path, piece.good), after.decode("utf-8", "replace"))


def told_of(code: Code, piece: Difference) -> list[str]:
    """Who brought a piece, and what it is, as far as it is text; lines to be read."""
    path = path_of(piece)
    some = _hunk_of(piece)
    before = code.renamed.get(path, path)
    old, new = entry(code.good, before), entry(code.bad, path)
    if old is None or new is None or LINK in (old.mode, new.mode):
        return [f"  {line}" for line in code.commits.get(path, ())]
    found = hunks(old.blob, new.blob)
    chosen = [found[i] for i in some] if some else found
    text = raw("cat-file", "blob", old.blob).decode("utf-8", "replace").split("\n")
    diff = [line for hunk in chosen for line in _shown(text, hunk)]
    more = [f"    ... {len(diff) - _LINES} more lines"] if len(diff) > _LINES else []
    lines = [f"    {line}" for line in diff[:_LINES]]
    was = [f"  it was {before}"] if before != path else []
    commits = _blamed(code, path, chosen) if some else code.commits.get(path, ())
    return [*(f"  {c}" for c in commits), *was, *lines, *more]


def path_of(piece: Difference) -> str:
    """The file that a piece is of, from the top of the repository."""
    return Piece.of(piece.overrides[0].removeprefix(GIT)).path


def _file(bad: str, info: Sequence[str], path: str) -> Difference:
    change = Change.CHANGED
    if info[2] == _NOTHING:
        change = Change.ADDED
    elif info[3] == _NOTHING:
        change = Change.REMOVED
    good = None if change is Change.ADDED else info[2][:_SHORT]
    brought = None if change is Change.REMOVED else info[3][:_SHORT]
    override = f"{GIT}{Piece(bad[:_SHORT], path)}"
    return Difference((CODE, *path.split("/")), change, good, brought, (override,))


def _part(
    code: Code, piece: Difference, some: Sequence[Hunk], numbers: Sequence[int]
) -> Difference:
    """One or more hunks of a file, named by the lines that they are in the second revision."""
    first = some[0].new_start + 1
    last = max(first, some[-1].new_start + len(some[-1].new))
    lines = f"{first}-{last}" if last > first else f"{first}"
    path = path_of(piece)
    overrides = [f"{GIT}{Piece(code.bad[:_SHORT], path, number)}" for number in numbers]
    return replace(piece, path=(*piece.path, f"{HUNK}{lines}"), overrides=tuple(overrides))


def _hunk_of(piece: Difference) -> list[int]:
    found = [Piece.of(o.removeprefix(GIT)).hunk for o in piece.overrides]
    return [number for number in found if number is not None]


def _joined(path: str, text: bytes, found: Sequence[Hunk]) -> list[list[int]]:
    """Hunks that stand alone; those that do not are joined with the ones that follow."""
    if not path.endswith(".py") or not _parses(text):
        return [[i] for i in range(len(found))]
    joined: list[list[int]] = [[]]
    for number in range(len(found)):
        joined[-1].append(number)
        if _parses(with_hunks(text, found, joined[-1])):
            joined.append([])
    rest = joined.pop()
    if rest and joined:
        joined[-1] += rest
    return joined or [rest]


def _parses(text: bytes) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _entries(code: Code, path: str) -> tuple[Entry, Entry]:
    old, new = entry(code.good, path), entry(code.bad, path)
    assert old is not None, path
    assert new is not None, path
    return old, new


@cache
def _text(path: str, blob: str | None) -> str | None:
    """A Python file's text; of others, only whether there is one."""
    if blob is None or not path.endswith(".py"):
        return blob
    return raw("cat-file", "blob", blob).decode("utf-8", "replace")


def _renamed(good: str, bad: str) -> dict[str, str]:
    options = ("--raw", "-z", "--find-renames", "--diff-filter=R")
    told = git("diff", *options, good, bad).split("\0")
    return {new: old for old, new in zip(told[1::3], told[2::3], strict=False)}


_FORMAT = "%h %as %an: %s"


def _commits(good: str, bad: str) -> dict[str, tuple[str, ...]]:
    options = (f"--format=%x01{_FORMAT}", "-z", "--name-only", "--no-renames")
    told = git("log", *options, f"{good}..{bad}")
    found: dict[str, list[str]] = defaultdict(list)
    for text in filter(None, told.split("\1")):
        head, *paths = re.split(r"\n|\0", text)
        for path in filter(None, paths):
            found[path].append(_said(head))
    return {path: tuple(heads) for path, heads in found.items()}


def _blamed(code: Code, path: str, some: Sequence[Hunk]) -> tuple[str, ...]:
    """The commits whose lines they are; of lines that are only taken away, all that touched the file."""
    ranges = [f"-L{h.new_start + 1},{h.new_start + len(h.new)}" for h in some if h.new]
    touched = code.commits.get(path, ())
    if not ranges:
        return touched
    told = git("blame", "--porcelain", *ranges, f"{code.good}..{code.bad}", "--", path)
    commits = {line.split(" ")[0] for line in told.split("\n") if re.match(r"[0-9a-f]{40} ", line)}
    heads = (_said(git("show", "--no-patch", f"--format={_FORMAT}", c)) for c in commits)
    return tuple(h for h in heads if h in touched) or touched


def _said(head: str) -> str:
    return UNCOMMITTED if head.endswith(f": {UNCOMMITTED}") else head


def _shown(before: Sequence[str], hunk: Hunk) -> list[str]:
    old = [f"-{line}" for line in before[hunk.start : hunk.start + hunk.count]]
    return old + [f"+{line.decode('utf-8', 'replace').rstrip()}" for line in hunk.new]
