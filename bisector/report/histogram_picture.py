"""Classes and values by split, as bars and outlines.

Geometry only, in pixels; `pictures.html` draws it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bisector.report.gallery_picture import visible
from bisector.report.wording import clean, elide, number

WIDTH, HEIGHT = 200.0, 64.0
"""A histogram, without its labels."""
LENGTH = 260.0
"""The longest bar."""
_NAME = 22


@dataclass(frozen=True, slots=True)
class Bar:
    """One split's part of a row."""

    split: str
    length: float
    told: str


@dataclass(frozen=True, slots=True)
class BarRow:
    """A class or a token: one bar for each split."""

    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class BarPicture:
    """Rows of bars."""

    rows: tuple[BarRow, ...]
    splits: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Outline:
    """One split's histogram, as the points of a line."""

    split: str
    points: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """One channel or feature."""

    name: str
    outlines: tuple[Outline, ...]
    low: str
    high: str
    told: str


@dataclass(frozen=True, slots=True)
class HistogramPicture:
    """Small histograms side by side."""

    histograms: tuple[Histogram, ...]
    splits: tuple[str, ...]
    note: str


def class_picture(found: Mapping[str, Any]) -> BarPicture:
    """How many samples each class has, as a share of its split."""
    counts = found["counts"]
    total = {split: sum(c) or 1 for split, c in counts.items()}
    shares = {split: [n / total[split] for n in c] for split, c in counts.items()}
    words = {split: [f"{n:,}" for n in c] for split, c in counts.items()}
    left = found["total"] - len(found["names"])
    note = "Bars are shares of a split, numbers are samples that were looked at."
    more = f" {left:,} classes between the largest and the smallest are not shown." if left else ""
    return _bars(found["names"], shares, words, note + more)


def token_picture(found: Mapping[str, Any]) -> BarPicture:
    """How common the commonest tokens are in each split."""
    words = {split: [f"{100 * v:.1f} %" for v in s] for split, s in found["shares"].items()}
    note = f"The {len(found['tokens'])} commonest of {found['total']:,} tokens, as shares."
    return _bars([visible(t) for t in found["tokens"]], found["shares"], words, note)


def _bars(
    names: Sequence[str],
    shares: Mapping[str, Sequence[float]],
    words: Mapping[str, Sequence[str]],
    note: str,
) -> BarPicture:
    most = max((v for s in shares.values() for v in s), default=0.0) or 1.0
    rows = tuple(
        BarRow(
            elide(clean(name), _NAME),
            tuple(
                Bar(split, round(LENGTH * shares[split][i] / most, 1), words[split][i])
                for split in shares
            ),
        )
        for i, name in enumerate(names)
    )
    return BarPicture(rows, tuple(shares), note)


def value_picture(found: Mapping[str, Any]) -> HistogramPicture:
    """The values of each channel or feature, in each split."""
    histograms = tuple(_histogram(h, found["kind"]) for h in found["histograms"] if h["shares"])
    left = found["total"] - len(histograms)
    note = "Shares of a split; the outermost bins also hold what lies beyond them."
    if left > 0:
        note += f" Those that differ most between the splits; {left:,} more are not shown."
    splits = dict.fromkeys(o.split for h in histograms for o in h.outlines)
    return HistogramPicture(histograms, tuple(splits), note)


def _histogram(found: Mapping[str, Any], kind: str) -> Histogram:
    shares: Mapping[str, Sequence[float]] = found["shares"]
    most = max((v for s in shares.values() for v in s), default=0.0) or 1.0
    name = elide(clean(str(found["name"])), _NAME)
    low, high = number(found["low"]), number(found["high"])
    return Histogram(
        name=f"{kind} {name}",
        outlines=tuple(Outline(split, _steps(s, most)) for split, s in shares.items()),
        low=low,
        high=high,
        told=f"Histogram of {kind} {name} from {low} to {high}; "
        f"the splits differ in {100 * found['distance']:.0f} % of their values.",
    )


def _steps(shares: Sequence[float], most: float) -> str:
    """A staircase from the lower left corner to the lower right."""
    step = WIDTH / len(shares)
    points = [(0.0, HEIGHT)]
    for i, share in enumerate(shares):
        y = HEIGHT * (1 - share / most)
        points += [(i * step, y), ((i + 1) * step, y)]
    points.append((WIDTH, HEIGHT))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
