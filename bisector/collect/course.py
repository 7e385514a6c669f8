"""The course of a run as facts: its curves, as far as it logged any, thinned to what checks need."""

from collections.abc import Mapping
from typing import Any

from bisector.model.evidence import Curve, Evidence, Exit, Signal
from bisector.model.finding import Looked

MOST = 400
"""Points of a curve; a longer one is thinned evenly, first and last kept."""


def course(evidence: Evidence) -> Looked:
    """The family `course`, of any run that logged its loss."""
    curves = evidence.curves
    if Signal.LOSS not in curves:
        return Looked({}, {"course": "no loss was logged"})
    facts: dict[str, Any] = {
        "planned": evidence.facts.get("planned_steps", 0),
        "cut_short": evidence.exit not in (Exit.CLEAN, Exit.RUNNING),
    }
    for signal in (Signal.LOSS, Signal.VAL_LOSS, Signal.SCORE, Signal.GRAD_NORM):
        facts |= _thinned(signal, curves)
    return Looked({"course": facts})


def _thinned(signal: Signal, curves: Mapping[str, Curve]) -> dict[str, list[Any]]:
    curve = curves.get(signal)
    if curve is None:
        return {f"{signal}_steps": [], str(signal): []}
    count = len(curve.steps)
    kept = sorted({round(i * (count - 1) / (MOST - 1)) for i in range(MOST)})
    return {
        f"{signal}_steps": [curve.steps[i] for i in kept],
        str(signal): [curve.values[i] for i in kept],
    }
