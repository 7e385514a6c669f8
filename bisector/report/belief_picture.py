"""Belief over time: how probable each explanation was after every run.

Geometry only; `page.html` draws it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bisector.model.session import Judged, Session, Suspect
from bisector.report.beliefs import Belief, beliefs, leading
from bisector.report.wording import percent

_POINTS = 48
"""The ranking may take a tenth of a second: it is asked at most so often."""
_SHOWN = 6
_WIDTH, HEIGHT = 240, 28


@dataclass(frozen=True, slots=True)
class Bar:
    """The probability after one run."""

    x: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Course:
    """One explanation over time."""

    label: str
    now: str
    bars: tuple[Bar, ...]
    words: str


def history(
    session: Session, rank: Callable[[Session], tuple[Suspect, ...]]
) -> tuple[tuple[Suspect, ...], ...]:
    """The ranking after each judged run, oldest first; of a long session, after some of them."""
    ends = [i for i, e in enumerate(session.events, 1) if isinstance(e, Judged)]
    stride = max(-(-len(ends) // _POINTS), 1)
    shown = ends[::-1][::stride][::-1]
    return tuple(rank(replace(session, events=session.events[:end])) for end in shown)


def courses(past: Sequence[Sequence[Suspect]], ranked: Sequence[Suspect]) -> tuple[Course, ...]:
    """The explanations that are likeliest now, with what was thought of them before."""
    told = [{b.label: b.probability for b in beliefs(then)} for then in past]
    return tuple(_course(b, told) for b in leading(beliefs(ranked), _SHOWN))


def _course(belief: Belief, told: Sequence[dict[str, float]]) -> Course:
    # An explanation that a ranking leaves out was too improbable to be told.
    shares = [then.get(belief.label, 0.0) for then in told] or [belief.probability]
    width = _WIDTH / len(shares)
    bars = tuple(
        Bar(round(i * width, 1), round(max(width - 1, 0.5), 1), round(p * HEIGHT, 1))
        for i, p in enumerate(shares)
    )
    now = percent(belief.probability)
    words = f"{belief.label}: {now} now, {percent(shares[0])} at first"
    return Course(belief.label, now, bars, words)
