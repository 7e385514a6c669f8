"""The runs' curves against the baseline's band: one small panel for each arm.

Geometry only, in pixels; `curves.html` draws it. All panels of a signal share their
axes, so that they can be compared at a glance.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from bisector.model.evidence import Curve, Evidence, Signal
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Outcome
from bisector.report.arms import arm_name
from bisector.report.wording import clean, number

WIDTH, HEIGHT = 220, 120
_POINTS = 80
"""About so many points of a curve are drawn."""
_PANELS = 24
_SIGNALS = 2


@dataclass(frozen=True, slots=True)
class Trace:
    """One run's curve."""

    points: str
    """As SVG wants them: `x,y x,y`."""
    outcome: Outcome
    ends: tuple[float, float] | None
    """Where a run whose values stopped being finite was last seen."""
    told: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One arm."""

    title: str
    traces: tuple[Trace, ...]
    words: str


@dataclass(frozen=True, slots=True)
class CurvePicture:
    """All panels of one signal."""

    signal: str
    band: str
    """The polygon between the least and the greatest of the baseline's runs."""
    panels: tuple[Panel, ...]
    low: str
    high: str
    steps: int
    left_out: int
    """Arms beyond those that are shown."""


@dataclass(frozen=True, slots=True)
class _Axes:
    low: float
    high: float
    steps: int

    def at(self, step: float, value: float) -> tuple[float, float]:
        span = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return round(step / max(self.steps, 1) * WIDTH, 1), round((1 - share) * HEIGHT, 1)


def curve_pictures(
    session: Session, evidence: Callable[[int], Evidence]
) -> tuple[CurvePicture, ...]:
    """The deciding metric's picture and the loss's, where the runs logged curves of them."""
    curves = {e.trial.number: evidence(e.trial.number).curves for e in session.judged}
    wanted = dict.fromkeys([session.experiment.metric.name, Signal.LOSS, Signal.VAL_LOSS])
    shown = [s for s in wanted if any(len(c[s].steps) > 1 for c in curves.values() if s in c)]
    return tuple(_picture(session, str(s), curves) for s in shown[:_SIGNALS])


def _picture(
    session: Session, signal: str, curves: Mapping[int, Mapping[str, Curve]]
) -> CurvePicture:
    logged = {n: _thinned(c[signal]) for n, c in curves.items() if signal in c}
    baseline = [
        logged[e.trial.number]
        for e in session.runs(Arm())
        if e.trial.number in logged and e.verdict.outcome is Outcome.HEALTHY
    ]
    axes = _axes(baseline, list(logged.values()))
    arms = _order(session, logged)
    return CurvePicture(
        signal=clean(signal),
        band=_band(baseline, axes),
        panels=tuple(_panel(session, arm, logged, axes) for arm in arms[:_PANELS]),
        low=number(axes.low),
        high=number(axes.high),
        steps=axes.steps,
        left_out=max(len(arms) - _PANELS, 0),
    )


def _order(session: Session, logged: Mapping[int, Curve]) -> list[Arm]:
    """Arms with curves: those that the verdict rests on first."""
    end = session.conclusion
    first = [Arm(), Arm(session.experiment.full), *(Arm(c) for c in (end.blamed if end else ()))]
    proof = [*session.of(Purpose.CONFIRM), *session.of(Purpose.SWEEP_LR), *session.judged]
    seen = {e.trial.arm for e in session.judged if e.trial.number in logged}
    return [a for a in dict.fromkeys([*first, *(e.trial.arm for e in proof)]) if a in seen]


def _panel(session: Session, arm: Arm, logged: Mapping[int, Curve], axes: _Axes) -> Panel:
    runs = [e for e in session.judged if e.trial.arm == arm and e.trial.number in logged]
    traces = tuple(_trace(e, logged[e.trial.number], axes) for e in runs)
    title = arm_name(session.experiment, arm)
    return Panel(title, traces, f"{title}. " + " ".join(f"{t.told}." for t in traces))


def _trace(event: Judged, curve: Curve, axes: _Axes) -> Trace:
    finite = [(s, v) for s, v in zip(curve.steps, curve.values, strict=True) if isfinite(v)]
    points = [axes.at(s, v) for s, v in finite]
    stopped = len(finite) < len(curve.values)
    last = points[-1] if points else (0.0, 0.0)
    final = number(curve.last) if isfinite(curve.last) else "not finite"
    return Trace(
        points=" ".join(f"{x:g},{y:g}" for x, y in points),
        outcome=event.verdict.outcome,
        ends=last if stopped else None,
        told=f"Run {event.trial.number} {event.verdict.outcome}, last value {final}",
    )


def _axes(baseline: Sequence[Curve], everyone: Sequence[Curve]) -> _Axes:
    """Room for every curve, but no more than twice what the baseline needs to either side."""
    values = [v for c in everyone for v in c.values if isfinite(v)]
    steps = max((c.steps[-1] for c in everyone), default=1)
    if not values:
        return _Axes(0.0, 1.0, steps)
    low, high = min(values), max(values)
    known = [v for c in baseline for v in c.values if isfinite(v)]
    if known:
        span = (max(known) - min(known)) or abs(known[0]) or 1.0
        low, high = max(low, min(known) - span), min(high, max(known) + span)
    return _Axes(low, high, steps)


def _band(baseline: Sequence[Curve], axes: _Axes) -> str:
    """Up along the greatest values and back along the least."""
    steps = sorted({s for c in baseline for s in c.steps})
    spans = [(s, [v for c in baseline if isfinite(v := _value(c, s))]) for s in steps]
    upper = [axes.at(s, max(values)) for s, values in spans if values]
    lower = [axes.at(s, min(values)) for s, values in spans if values]
    return " ".join(f"{x:g},{y:g}" for x, y in [*upper, *reversed(lower)])


def _value(curve: Curve, step: int) -> float:
    """The curve at a step, by straight lines between its readings; NaN outside them."""
    steps, values = curve.steps, curve.values
    right = bisect_left(steps, step)
    if right < len(steps) and steps[right] == step:
        return values[right]
    if right in (0, len(steps)):
        return float("nan")
    share = (step - steps[right - 1]) / (steps[right] - steps[right - 1])
    return values[right - 1] + share * (values[right] - values[right - 1])


def _thinned(curve: Curve) -> Curve:
    """About `_POINTS` readings: both ends, both extremes, and the first that is not finite."""
    count, values = len(curve.steps), curve.values
    if count <= _POINTS:
        return curve
    keep = {round(i * (count - 1) / (_POINTS - 1)) for i in range(_POINTS)}
    finite = [i for i, v in enumerate(values) if isfinite(v)]
    if finite:
        keep |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
    keep |= (
        {next(i for i, v in enumerate(values) if not isfinite(v))} if len(finite) < count else set()
    )
    places = sorted(keep)
    return Curve(tuple(curve.steps[i] for i in places), tuple(values[i] for i in places))
