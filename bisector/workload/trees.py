"""Code that no commit has: a tree of git's with pieces of others, and such trees as folders.

A tree is named by its content, so the same pieces make the same tree, whoever asks. It is put
together in an index of its own and written out beside the runs, whole or not at all. Git keeps no
note of either: there is no worktree to prune, and what nobody refers to it clears by itself.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bisector.errors import ConfigError
from bisector.workload.git import git, raw, top, tree_of
from bisector.workload.hunks import hunks, with_hunks

LINK, MODULE = "120000", "160000"
"""Modes of what is no file: a symbolic link, another repository."""
UNCOMMITTED = "not committed yet"
"""The title of the commit that a working folder is made into."""
_GONE = f"0 {'0' * 40}"
_PIECE = re.compile(r"(?P<rev>[^:{@]+)(?:@@(?P<hunk>\d+))?:(?P<path>.+)", re.DOTALL)
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "bisect"),
        ("EMAIL", "bisect@localhost"),
        ("DATE", "2000-01-01T00:00:00Z"),
    )
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A file as a revision has it, or one hunk of it; what that revision has not is taken away."""

    revision: str
    path: str
    hunk: int | None = None
    """Counted from 0, of the difference from the tree that it is put into."""

    @classmethod
    def of(cls, text: str) -> "Piece":
        """From `REV:PATH` or `REV@@HUNK:PATH`."""
        found = _PIECE.fullmatch(text)
        assert found, text
        hunk = int(found["hunk"]) if found["hunk"] else None
        return cls(found["rev"], found["path"], hunk)

    def __str__(self) -> str:
        hunk = "" if self.hunk is None else f"@@{self.hunk}"
        return f"{self.revision}{hunk}:{self.path}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree has at a path."""

    mode: str
    blob: str


def entry(tree: str, path: str) -> Entry | None:
    """What a tree has at a path; None: nothing."""
    listed = git("ls-tree", "-z", "--full-tree", tree, "--", f":(literal){path}").rstrip("\0")
    if not listed:
        return None
    mode, _, blob = listed.partition("\t")[0].split(" ")
    return Entry(mode, blob)


def composed(base: str, pieces: Iterable[str]) -> str:
    """The tree of a revision, with pieces of others in it.

    Raises:
        ConfigError: there is no such revision.
    """
    tree = tree_of(base)
    files: dict[str, list[Piece]] = {}
    for piece in map(Piece.of, pieces):
        files.setdefault(piece.path, []).append(piece)
    if not files:
        return tree
    with TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", tree, env=index)
        told = "".join(f"{_put(tree, some)}\t{path}\0" for path, some in files.items())
        git("update-index", "-z", "--index-info", env=index, stdin=os.fsencode(told))
        return git("write-tree", env=index)


def snapshot() -> str:
    """A commit, on no branch, of the working folder as it is: of all files that git knows.

    Raises:
        ConfigError: there is no repository, or it has no commit yet.
    """
    head = git("rev-parse", "--verify", "HEAD")
    with TemporaryDirectory() as folder:
        own, theirs = Path(folder) / "index", top() / git("rev-parse", "--git-path", "index")
        if theirs.exists():
            shutil.copyfile(theirs, own)
        index = {"GIT_INDEX_FILE": str(own)}
        git("add", "--update", "--", ":/", env=index)
        tree = git("write-tree", env=index)
    if tree == tree_of(head):
        return head
    return git("commit-tree", tree, "-p", head, "-m", UNCOMMITTED, env=_NOBODY)


def exported(tree: str, home: Path) -> Path:
    """A tree as a folder, made once a session.

    Args:
        tree: its name.
        home: the session's folder; trees go into `code/` below it.
    """
    shelf = (home / "code").absolute()
    whole, new = shelf / tree[:12], shelf / ".new"
    if whole.exists():
        return whole
    if new.exists():
        # Of a session that was killed while it wrote.
        shutil.rmtree(new)
    new.mkdir(parents=True)
    with TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", tree, env=index)
        git("checkout-index", "--all", f"--prefix={new}/", env=index)
    for path in (*_modules(tree), *_untracked()):
        _show(top() / path, new / path, home)
    new.rename(whole)
    return whole


def _put(tree: str, pieces: Sequence[Piece]) -> str:
    """Mode and blob, as an index is told of them, of a file with pieces in it."""
    path = pieces[0].path
    parts = [p for p in pieces if p.hunk is not None]
    if len(parts) < len(pieces):
        found = entry(tree_of(pieces[-1].revision), path)
        return f"{found.mode} {found.blob}" if found else _GONE
    old, new = entry(tree, path), entry(tree_of(parts[0].revision), path)
    if old is None or new is None:
        raise ConfigError(
            f"git:{pieces[0]} is a hunk of a file that is not on both sides.",
            hint="Leave out `@@` and its number: the whole file is the piece.",
        )
    chosen = {p.hunk for p in parts if p.hunk is not None}
    text = with_hunks(raw("cat-file", "blob", old.blob), hunks(old.blob, new.blob), chosen)
    return f"{old.mode} {git('hash-object', '-w', '--stdin', stdin=text)}"


def _modules(tree: str) -> Iterator[str]:
    """Other repositories within this one: of those, git keeps no content here."""
    for line in git("ls-tree", "-r", "-z", "--full-tree", tree).split("\0"):
        if line.startswith(MODULE):
            yield line.partition("\t")[2]


def _untracked() -> Iterator[str]:
    """What git does not know and lies within folders that it knows: data, compiled modules."""
    for path in git("ls-files", "-z", "--others", "--directory").split("\0"):
        name = path.rstrip("/")
        if "/" in name and not name.endswith(("__pycache__", ".pyc")):
            yield name


def _show(theirs: Path, here: Path, home: Path) -> None:
    """Let a file or folder of the user's be seen in a tree, if the tree has a place for it."""
    if here.is_dir() and not any(here.iterdir()):
        here.rmdir()
    within = home.resolve().is_relative_to(theirs.resolve())
    if theirs.exists() and here.parent.is_dir() and not here.exists() and not within:
        here.symlink_to(theirs)
