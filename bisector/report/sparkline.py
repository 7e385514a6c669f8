"""A curve and a share as one line of characters, in Unicode or plain ASCII."""

from collections.abc import Sequence
from math import isfinite

_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-=+*#@"
_EIGHTHS = " ▏▎▍▌▋▊▉"


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """The course of `values`, oldest first, in at most `width` characters; `!` is not finite."""
    levels = _ASCII_LEVELS if ascii_only else _LEVELS
    shown = _thinned(values, width)
    finite = [v for v in shown if isfinite(v)]
    if not finite:
        return "!" * len(shown)
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    top = len(levels) - 1
    return "".join(levels[round((v - low) / span * top)] if isfinite(v) else "!" for v in shown)


def bar(share: float, width: int, *, ascii_only: bool = False) -> str:
    """`share` (0 to 1) of `width` characters, to an eighth of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    if ascii_only:
        return ("#" * whole).ljust(width, ".")
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def _thinned(values: Sequence[float], width: int) -> list[float]:
    """At most `width` values; of those that share a place, the worst, so that no spike is lost."""
    size = max(-(-len(values) // max(width, 1)), 1)
    chunks = [values[i : i + size] for i in range(0, len(values), size)]
    return [max(chunk, key=lambda v: v if isfinite(v) else float("inf")) for chunk in chunks]
