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
_RIVALS, _ONCE = 2, 0.15
"""Of each ranking's likeliest, so many that were once so probable are worth a line still."""
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
    """The explanations that are likeliest now, then those that once were, over the search."""
    told = [{b.label: b.probability for b in beliefs(then)} for then in past]
    now = leading(beliefs(ranked), _SHOWN)
    shown = {b.label for b in now}
    rivals = {b.label: b for then in past for b in beliefs(then)[:_RIVALS] if b.label not in shown}
    probable = {b.label: b.probability for b in beliefs(ranked)}
    best = {name: max(then.get(name, 0.0) for then in told) for name in rivals}
    gone = sorted((n for n in rivals if best[n] >= _ONCE), key=lambda name: -best[name])
    late = (replace(rivals[name], probability=probable.get(name, 0.0)) for name in gone)
    return tuple(_course(b, told) for b in [*now, *late][:_SHOWN])


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
