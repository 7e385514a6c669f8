"""The activations of the untrained network by depth: a row for each layer, in forward order.

Geometry only, in pixels; `pictures.html` draws it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bisector.report.wording import clean, elide, number

LEFT, PLOT, ROW, TOP = 204.0, 200.0, 20.0, 34.0
"""Room for names; width of the plot; height of a row; room for the axis."""
STD, MEAN, BARS = LEFT + PLOT + 76, LEFT + PLOT + 142, LEFT + PLOT + 154
"""Where two columns of numbers end, and the bars begin."""
ZEROS = 50.0
"""Length of the bar where every activation is zero; all fits into the page that MLflow shows."""
HEALTHY = (0.5, 2.0)
"""Where the deviation should be: the band that TheDeepChecker (2021) and Deeplearning4j use."""
ODD = 10.0
"""So many times off the band, a layer is marked."""
_DECADES = (-4, 4)
_NAME = 34


@dataclass(frozen=True, slots=True)
class Layer:
    """One row."""

    y: float
    name: str
    x: float | None
    """Where its deviation is; None: it is zero, or not finite."""
    odd: bool
    """Whether the deviation is far outside the band."""
    std: str
    mean: str
    zeros: float
    told: str


@dataclass(frozen=True, slots=True)
class DepthPicture:
    """All layers, the axis, and the band where deviations should be."""

    width: float
    height: float
    columns: tuple[float, float, float]
    layers: tuple[Layer, ...]
    line: str
    band: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    note: str


def depth_picture(found: Mapping[str, Any]) -> DepthPicture:
    """From what `bisector.train.facts.charts.activations` recorded."""
    layers = tuple(_layer(i, layer) for i, layer in enumerate(found["layers"]))
    low, high = (_x(v) for v in HEALTHY)
    left = found["total"] - len(layers)
    note = (
        f"The first batch of {found['batch']} samples through the untrained model. The dot is the "
        f"deviation of a layer's activations, the band is {HEALTHY[0]:g} to {HEALTHY[1]:g}; the "
        "bar at the right is the share of zeros. A layer that ends in few outputs may well lie "
        "below the band: what tells is a fall, or a rise, from layer to layer. Marked is what is "
        f"{ODD:g} times off it."
    )
    return DepthPicture(
        width=BARS + ZEROS,
        height=TOP + ROW * len(layers) + 8,
        columns=(STD, MEAN, BARS),
        layers=layers,
        line=" ".join(f"{a.x:.1f},{a.y:.1f}" for a in layers if a.x is not None),
        band=(low, high - low),
        ticks=tuple((_x(10.0**d), f"1e{d}" if d else "1") for d in range(-4, 5, 2)),
        note=note + (f" {left} layers between these are not shown." if left else ""),
    )


def _x(value: float) -> float:
    low, high = _DECADES
    share = (math.log10(value) - low) / (high - low)
    return round(LEFT + PLOT * min(max(share, 0.0), 1.0), 1)


def _layer(place: int, found: Mapping[str, Any]) -> Layer:
    # JSON carries infinities and NaN as words.
    std, mean, zeros = (float(found[name]) for name in ("std", "mean", "zeros"))
    drawn = math.isfinite(std) and std > 0
    shape = " x ".join(map(str, found["shape"]))
    name = elide(clean(f"{found['name']} {found['type']}"), _NAME)
    return Layer(
        y=TOP + ROW * (place + 0.5),
        name=name,
        x=_x(std) if drawn else None,
        odd=not (drawn and HEALTHY[0] / ODD <= std <= HEALTHY[1] * ODD),
        std=number(std),
        mean=number(mean),
        zeros=round(ZEROS * zeros, 1),
        told=f"{name}, {shape}: deviation {number(std)}, mean {number(mean)}, {zeros:.0%} zeros",
    )
