"""A session's figures for a notebook: curves, belief over time, arms, learning rates.

The HTML report draws its own, smaller pictures; these are matplotlib's, to change and to save.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bisector.model.evidence import Curve, Evidence
from bisector.model.session import Judged, Session, Suspect
from bisector.model.trial import Arm
from bisector.model.verdict import Outcome
from bisector.report.arms import arm_name, arm_rows, sweep_rows
from bisector.report.beliefs import beliefs, leading
from bisector.report.wording import clean, elide

Look = Callable[[int], Evidence]
"""A run's evidence by its number."""

_COLOUR: Mapping[Outcome, str] = {
    Outcome.HEALTHY: "#1a73e8",
    Outcome.BROKEN: "#d93025",
    Outcome.UNRESOLVED: "#9aa0a6",
}
_BAND = "#9aa0a6"
_SHOWN = 6
_NAME = 44
"""Letters of an arm's name beside its row."""
_ROW = 0.28
"""Inches for a row of text."""


class Plot(Figure):
    """A figure that a notebook shows even where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=110)
        return written.getvalue()


def curves_plot(session: Session, evidence: Look, signal: str) -> Figure:
    """All runs' curves of one signal, coloured by outcome, over the healthy baseline's band.

    Raises:
        KeyError: no run logged the signal; the message names those that were logged.
    """
    logged = {e.trial.number: evidence(e.trial.number).curves for e in session.judged}
    if not any(signal in curves for curves in logged.values()):
        known = sorted({name for curves in logged.values() for name in curves})
        raise KeyError(f"no run logged {signal!r}; there are: {', '.join(known) or 'none'}")
    figure = Plot(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    told: set[str] = set()
    for event in session.judged:
        curve = logged[event.trial.number].get(signal)
        if curve is not None:
            label = _kind(event)
            _line(axes, event, curve, label=None if label in told else label)
            told.add(label)
    _dress(axes, f"{clean(session.experiment.name)}: {clean(signal)}", "step", clean(signal))
    axes.legend(fontsize=8)
    return figure


def belief_plot(past: Sequence[Sequence[Suspect]], ranked: Sequence[Suspect]) -> Figure:
    """The probability of the leading explanations after each run; `past` oldest first."""
    then = [{b.label: b.probability for b in beliefs(p)} for p in past]
    figure = Plot(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    for belief in leading(beliefs(ranked), _SHOWN):
        shares = [told.get(belief.label, 0.0) for told in then] or [belief.probability]
        axes.step(range(1, len(shares) + 1), shares, where="mid", label=belief.label)
    axes.set_ylim(-0.02, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _dress(axes, "belief", "run", "probability")
    axes.legend(fontsize=8)
    return figure


def arms_plot(session: Session, evidence: Look) -> Figure:
    """The deciding metric of every run, an arm a row; a cross: the last reading of an early end."""
    rows = arm_rows(session)
    figure = Plot(figsize=(7.2, 1.0 + _ROW * max(len(rows), 2)), layout="constrained")
    axes = figure.subplots()
    place = {row.arm: len(rows) - i for i, row in enumerate(rows)}
    for event in session.judged:
        _mark(axes, event, _last(session, evidence, event), at=place[event.trial.arm])
    names = [elide(row.name, _NAME) for row in rows]
    axes.set_yticks(list(place.values()), names, fontsize=8)
    metric = clean(session.experiment.metric.name)
    _dress(axes, clean(session.experiment.name), f"{metric} (cross: ended early)", "")
    return figure


def lr_plot(session: Session, evidence: Look) -> Figure:
    """The deciding metric against the multiplier of the learning rate, a panel a swept set.

    The baseline's runs span the grey band.

    Raises:
        ValueError: the learning rate was not swept.
    """
    swept = list(dict.fromkeys(r.arm.additions for r in sweep_rows(session, arm_rows(session))))
    if not swept:
        raise ValueError("the learning rate of this search was not swept")
    figure = Plot(figsize=(6.4, 0.9 + 1.6 * len(swept)), layout="constrained")
    panels = figure.subplots(len(swept), 1, sharex=True, squeeze=False)[:, 0]
    healthy = [s for e in session.runs(Arm()) if (s := e.verdict.score) is not None]
    for axes, additions in zip(panels, swept, strict=True):
        if healthy:
            axes.axvspan(min(healthy), max(healthy), color=_BAND, alpha=0.4)
        for event in session.judged:
            arm = event.trial.arm
            if arm == Arm(additions, lr_scale=arm.lr_scale):
                _mark(axes, event, _last(session, evidence, event), at=arm.lr_scale)
        axes.set_yscale("log")
        _dress(axes, arm_name(session.experiment, Arm(additions)), "", "learning rate x")
    panels[-1].set_xlabel(f"{clean(session.experiment.metric.name)} (cross: ended early)")
    return figure


def _mark(axes: Axes, event: Judged, last: float | None, *, at: float) -> None:
    """One run along x, at a height: its score, or a cross where it was `last` seen."""
    score = event.verdict.score
    where, sign = (last, "x") if score is None else (score, "o")
    if where is not None and isfinite(where):
        axes.plot(where, at, sign, color=_COLOUR[event.verdict.outcome], alpha=0.8)


def _last(session: Session, evidence: Look, event: Judged) -> float | None:
    curve = evidence(event.trial.number).curves.get(session.experiment.metric.name)
    return curve.last if curve else None


def _kind(event: Judged) -> str:
    return "baseline" if event.trial.arm == Arm() else event.verdict.outcome.value


def _line(axes: Axes, event: Judged, curve: Curve, *, label: str | None) -> None:
    baseline = event.trial.arm == Arm()
    finite = [(s, v) for s, v in zip(curve.steps, curve.values, strict=True) if isfinite(v)]
    steps, values = zip(*finite, strict=True) if finite else ((), ())
    axes.plot(
        steps,
        values,
        color=_BAND if baseline else _COLOUR[event.verdict.outcome],
        linewidth=3 if baseline else 1,
        alpha=0.5 if baseline else 0.8,
        zorder=1 if baseline else 2,
        label=label,
    )


def _dress(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.25)
