"""Takes the values of secrets out of what an ended run has printed.

The run's wrapper does it, and where that was killed whoever finds it gone.
"""

import contextlib
from pathlib import Path

from bisector.conceal import secrets
from bisector.rundir import LOG, RANKS


def hush(rundir: Path) -> None:
    """Put the names of secrets in the place of their values, in a run's logs.

    A value that spans lines is not found. A log that holds no secret is left as it is, as is one
    that there is no room to write again: a full disk must not hide how a job ended.
    """
    words = [(v.encode(), f"(concealed {name})".encode()) for name, v in secrets().items()]
    for log in (rundir / LOG, *(rundir / RANKS).rglob("*.log")) if words else ():
        with contextlib.suppress(OSError):
            _hush(log, words)


def _hush(log: Path, words: list[tuple[bytes, bytes]]) -> None:
    with log.open("rb") as said:
        told = any(value in line for line in said for value, _ in words)
    if told:
        _rewrite(log, words)


def _rewrite(log: Path, words: list[tuple[bytes, bytes]]) -> None:
    draft = log.with_name(log.name + ".part")
    with log.open("rb") as said, draft.open("wb") as kept:
        for line in said:
            for value, name in words:
                line = line.replace(value, name)  # noqa: PLW2901
            kept.write(line)
    draft.replace(log)
