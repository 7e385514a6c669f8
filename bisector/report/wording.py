"""How numbers, times, names and sets are spelled, in every report alike.

Sentences are plain text in which `backticks` enclose names, as in Markdown; each
report decides what a name looks like.
"""

from collections.abc import Iterable
from math import floor, inf, log10

_SURE = 0.999
_MINUTE, _HOUR = 60, 3600


def clean(text: str) -> str:
    """`text` on one line, with no character that a terminal or a browser would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def name(text: str) -> str:
    """A name within a sentence: in backticks, which it may not hold itself."""
    return f"`{clean(text).replace('`', chr(39))}`"


def listed(words: Iterable[str], joint: str = "and") -> str:
    """`a, b and c`."""
    *head, last = list(words) or ["none"]
    return f"{', '.join(head)} {joint} {last}" if head else last


def names(of: Iterable[str], joint: str = "and") -> str:
    """Names within a sentence, in alphabetical order."""
    return listed([name(n) for n in sorted(of)], joint)


def label(of: frozenset[str]) -> str:
    """A set of additions as a label: `a+b`."""
    return "+".join(clean(n) for n in sorted(of)) or "baseline"


def count(number: int, noun: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(p: float) -> str:
    """A probability; never rounded to certainty."""
    if p > _SURE:
        return "over 99.9 %"
    if p < 1 - _SURE:
        return "under 0.1 %"
    tail = 0.1
    return f"{100 * p:.1f} %" if p < tail or p > 1 - tail else f"{100 * p:.0f} %"


def number(value: float | None) -> str:
    """A measurement at the precision that a reader compares by; `-` for none."""
    if value is None:
        return "-"
    small, large = 1e-3, 1e4
    plain = value == 0 or small <= abs(value) < large
    return f"{value:.4f}" if plain and abs(value) < 1 else f"{value:.4g}"


def measured(value: float, error: float) -> str:
    """A measurement to the second digit of its error, and no further."""
    if not 0 < error < inf:
        return number(value)
    places = max(1 - floor(log10(error)), 0)
    return f"{round(value, places) + 0.0:.{places}f}"  # Minus nothing is nothing.


def scale(multiplier: float) -> str:
    """A multiplier of the learning rate: `x0.1`."""
    return f"x{multiplier:g}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    tenths = 10
    if seconds < tenths:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE} min"


def elide(text: str, width: int, gap: str = "...") -> str:
    """`text` in at most `width` characters, what is too much taken from its middle."""
    if len(text) <= width:
        return text
    keep = max(width - len(gap), 0)
    tail = keep // 2
    return (text[: keep - tail] + gap + (text[-tail:] if tail else ""))[: max(width, 0)]


def cut(text: str, width: int, gap: str = "...") -> str:
    """`text` in at most `width` characters, what is too much taken from its end."""
    return text if len(text) <= width else text[: max(width - len(gap), 0)] + gap[:width]


def capital(sentence: str) -> str:
    """The sentence with its first letter large, unless it opens with a name."""
    return sentence[:1].upper() + sentence[1:]
