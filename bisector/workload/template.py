"""A command line with `{names}` in it, filled in without a shell between."""

import re
import shlex
from collections.abc import Mapping, Sequence

OVERRIDES = "{overrides}"

_SHELL = re.compile(r"(.*/)?(ba|da|z|k)?sh")


def filled(command: Sequence[str], words: Mapping[str, str], overrides: Sequence[str]) -> list[str]:
    """The command line with its names filled in.

    Args:
        command: its words. One that is `{overrides}` alone becomes as many words as there are
            overrides; within a longer word they are quoted as a shell would read them.
        words: what other names stand for. Within a script for a shell they are quoted.
        overrides: words as the program is to get them.
    """
    argv: list[str] = []
    for at, part in enumerate(command):
        if part == OVERRIDES:
            argv += overrides
            continue
        quoted = is_script(command, at)
        told = {name: shlex.quote(value) if quoted else value for name, value in words.items()}
        argv.append(fill(part, {"overrides": shlex.join(overrides), **told}))
    return argv


def is_script(command: Sequence[str], at: int) -> bool:
    """Whether a word is a text that a shell will read, as in `sh -c '...'`."""
    return (
        at >= 2
        and _SHELL.fullmatch(command[0]) is not None
        and re.fullmatch(r"-[a-z]*c", command[at - 1]) is not None
    )


def mentions(command: Sequence[str], name: str) -> bool:
    """Whether the command has a place for `{name}`."""
    return any("{" + name + "}" in part for part in command)


def fill(part: str, words: Mapping[str, str]) -> str:
    """A word with its `{names}` filled in."""
    # In one pass, so that braces in a value stay; other braces are the user's own.
    names = "|".join(map(re.escape, words))
    return re.sub(r"\{(" + names + r")\}", lambda found: words[found[1]], part)
