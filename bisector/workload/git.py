"""Questions to git, by its plumbing: no branch, index, stash or file of the user's is changed.

All is asked at the top of the repository around the working folder, and paths are given from there.
"""

import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bisector.errors import ConfigError


def git(*words: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
    """What git answers, without the last line's end.

    Raises:
        ConfigError: there is no git, or it refuses.
    """
    return raw(*words, env=env, stdin=stdin).decode("utf-8", "surrogateescape").rstrip("\n")


def raw(*words: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> bytes:
    """What git answers, byte for byte.

    Raises:
        ConfigError: there is no git, or it refuses.
    """
    whole = {**os.environ, **(env or {})}  # noqa: TID251  git is the user's own, with the user's settings
    command = ["git", "-C", str(_top(Path.cwd())), *words]
    done = _run(command, whole, stdin)
    if done.returncode:
        raise _refused(words, done)
    return done.stdout


def below_top() -> str:
    """The working folder from the top of its repository; empty: it is the top."""
    here, top = Path.cwd().resolve(), _top(Path.cwd()).resolve()
    return "" if here == top else here.relative_to(top).as_posix()


def top() -> Path:
    """The top of the repository around the working folder.

    Raises:
        ConfigError: there is none.
    """
    return _top(Path.cwd())


def commit_of(revision: str) -> str:
    """The commit that a revision names.

    Raises:
        ConfigError: it names none.
    """
    return _object(revision, "commit")


def tree_of(revision: str) -> str:
    """The tree of a commit, or the tree itself.

    Raises:
        ConfigError: there is no such revision.
    """
    return _object(revision, "tree")


def _object(revision: str, kind: str) -> str:
    top()
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{{kind}}}")
    except ConfigError:
        raise ConfigError(
            f"git:{revision} is no revision of the repository around {Path.cwd()}.",
            hint="Name a commit, a tag or a branch that `git log` knows; fetch it first.",
        ) from None


@cache
def _top(folder: Path) -> Path:
    words = ("rev-parse", "--show-toplevel")
    done = _run(["git", "-C", str(folder), *words], None, b"")
    if done.returncode:
        raise _refused(words, done)
    return Path(done.stdout.decode("utf-8", "surrogateescape").rstrip("\n"))


def _run(
    command: list[str], env: Mapping[str, str] | None, stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command, input=stdin, capture_output=True, env=env, check=False)
    except FileNotFoundError:
        raise ConfigError(
            "`git` is not installed here.", hint="Install it, or take out `git:`."
        ) from None


def _refused(words: tuple[str, ...], done: subprocess.CompletedProcess[bytes]) -> ConfigError:
    said = " ".join(done.stderr.decode("utf-8", "replace").split())
    return ConfigError(
        f"`git {' '.join(words[:2])}` failed: {said or f'exit code {done.returncode}'}.",
        hint="Call bisect inside the repository whose revisions are compared.",
    )
