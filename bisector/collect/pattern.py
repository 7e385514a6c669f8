"""A pattern for numbers that a program prints, as one writes it for a number that is finite.

`val_acc ([0-9.]+)` does not match `val_acc nan`, and that line is the one that matters. So each
group of a pattern also takes what Python, C and PyTorch print for a value that is no number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bisector.errors import ConfigError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NOT_FINITE = r"[-+]?(?i:nan|inf(?:inity)?)\b"
STEP = "step"
"""The group that counts steps; in others is what is measured."""

_WORD = re.compile(r"[A-Za-z_][\w/.@-]*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A user's regular expression."""

    text: str
    regex: re.Pattern[str]
    names: tuple[str, ...]
    """What each group measures, in the order of groups; `step` counts."""

    @classmethod
    def of(cls, text: str) -> "Pattern":
        """The pattern that a text describes.

        A group with a name measures that; one without is named for the last word before it.

        Raises:
            ConfigError: it is no regular expression, or has no group.
        """
        try:
            plain = re.compile(text)
        except re.error as e:
            raise ConfigError(
                f"read.stdout: `{text}` is not a regular expression: {e}.",
                hint="Brackets and dots that stand for themselves are written \\( \\) and \\. ",
            ) from None
        groups = list(_groups(text))
        if not groups:
            raise ConfigError(
                f"read.stdout: `{text}` has no group for the number.",
                hint=r"Put the number in brackets: val_acc ([0-9.]+), or use the preset `auto`.",
            )
        numbered = {number: name for name, number in plain.groupindex.items()}
        names = tuple(
            numbered.get(i) or _word_before(text[:begin])
            for i, (begin, _) in enumerate(groups, start=1)
        )
        widened = text
        for (_, end), name in zip(reversed(groups), reversed(names), strict=True):
            if name != STEP:
                widened = f"{widened[:end]}|{NOT_FINITE}{widened[end:]}"
        return cls(text, re.compile(widened), names)


def number(text: str) -> float | None:
    """The number that a group matched; None: it is none."""
    try:
        return float(text.strip().rstrip("%").replace(",", ""))
    except ValueError:
        return None


def _groups(text: str) -> Iterator[tuple[int, int]]:
    """Where each capturing group begins and where its content ends, by the order of groups."""
    spans: dict[int, int] = {}
    open_: list[int | None] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "[":
            at = _class_end(text, at)
        elif text[at] == "(":
            captures = text[at + 1 : at + 2] != "?" or text[at + 1 : at + 4] == "?P<"
            open_.append(at if captures else None)
            if captures:
                spans[at] = -1
        elif text[at] == ")" and open_:
            begin = open_.pop()
            if begin is not None:
                spans[begin] = at
        at += 1
    yield from sorted(spans.items())


def _class_end(text: str, at: int) -> int:
    """The closing bracket of a character class; a bracket right at its beginning is part of it."""
    at += 2 if text[at + 1 : at + 2] == "^" else 1
    at += text[at : at + 1] == "]"
    while at < len(text) and text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    return at


def _word_before(text: str) -> str:
    words = _WORD.findall(re.sub(r"\\.", " ", text))
    return words[-1].rstrip(".-/") if words else "metric"
