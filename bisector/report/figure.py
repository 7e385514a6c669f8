"""One run's curves beside the baseline's runs, as a picture to keep with the run."""

from collections.abc import Mapping, Sequence
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bisector.model.evidence import Curve

_PANELS = 3
_LOG_SPAN = 50.0
"""Positive values that span more than this are drawn on a logarithmic axis."""
_BASELINE, _RUN, _END = "#9aa0a6", "#1a73e8", "#d93025"


def curve_figure(
    title: str, run: Mapping[str, Curve], baseline: Sequence[Mapping[str, Curve]], first: str
) -> Figure | None:
    """A panel for each of a few metrics, `first` leading; None: no metric was logged twice.

    Where a run's values stop being finite, a mark says so.
    """
    names = _names(run, first)
    if not names:
        return None
    width = 4.6 * len(names)
    figure = Figure(figsize=(width, 3.4))
    # Fixed margins: matplotlib's own layouts draw everything twice.
    figure.subplots_adjust(left=0.6 / width, right=1 - 0.15 / width, bottom=0.15, top=0.82)
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(axes, names, strict=True):
        _panel(axis, name, run[name], [b[name] for b in baseline if name in b])
    axes[0].legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure


def _names(run: Mapping[str, Curve], first: str) -> list[str]:
    """The deciding metric, then losses, then whatever else was logged more than once."""
    logged = [n for n, curve in run.items() if len(curve.steps) > 1]
    return sorted(logged, key=lambda n: (n != first, "loss" not in n, n))[:_PANELS]


def _panel(axis: Axes, name: str, run: Curve, baseline: Sequence[Curve]) -> None:
    for number, curve in enumerate(baseline):
        label = f"baseline, {len(baseline)} runs" if number == 0 else None
        axis.plot(curve.steps, curve.values, color=_BASELINE, linewidth=1, label=label)
    axis.plot(run.steps, run.values, color=_RUN, linewidth=1.8, label="this run")
    end = next((s for s, v in zip(run.steps, run.values, strict=True) if not isfinite(v)), None)
    if end is not None:
        axis.axvline(end, color=_END, linestyle=":")
        where = axis.get_xaxis_transform()
        axis.text(end, 0.96, " not finite", color=_END, fontsize=8, va="top", transform=where)
    if _spans_decades([run, *baseline]):
        axis.set_yscale("log")
        axis.minorticks_off()
    axis.set_title(name, fontsize=10)
    axis.set_xlabel("step")
    axis.grid(visible=True, alpha=0.25)


def _spans_decades(curves: Sequence[Curve]) -> bool:
    values = [v for c in curves for v in c.values if isfinite(v)]
    return bool(values) and min(values) > 0 and max(values) > _LOG_SPAN * min(values)
