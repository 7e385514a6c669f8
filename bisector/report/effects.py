"""How much harm each addition does by itself, by all the runs that were made anyway.

The sets that a search trains are a fractional factorial design, though not a balanced one: a
regression of the metric on what was on shares the harm out. It is robust, since broken runs lie
anywhere, and it is drawn towards equal shares by as much as the runs make likely.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from bisector.model.session import Judged, Session
from bisector.model.verdict import Outcome

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
LEAST = 6
"""Scored runs, from which there is something to share out."""
SPREADS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""How uneven shares may be: their standard deviation over an equal share."""
FREEDOM = 4.0
"""Of the Student t that residuals are taken to follow: outliers weigh little."""
ROUNDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One addition's part in the harm, in units of the metric; negative if it does good."""

    addition: str
    harm: float
    low: float
    high: float
    """Ends of the two-sided 95 % interval."""
    runs: int
    """Runs in which it was on."""

    @property
    def error(self) -> float:
        """Half the width of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Design:
    """What was on in each run, and what came of it."""

    on: Floats
    """Shape (runs, additions)."""
    harm: Floats
    """Shape (runs,)."""
    names: tuple[str, ...]
    expected_sd: float
    """Of single runs, before any was seen."""


def shares(session: Session) -> tuple[Share, ...]:
    """Every addition's share, largest first; none where too few runs left a score."""
    design = _design(session)
    if design is None:
        return ()
    mean, cover = _posterior(design)
    reach = stdtrit(max(len(design.harm) - 2, 3), (1 + CONFIDENCE) / 2) * np.sqrt(np.diag(cover))
    found = [
        Share(
            addition=name,
            harm=float(mean[j]),
            low=float(mean[j] - reach[j]),
            high=float(mean[j] + reach[j]),
            runs=int(design.on[:, j].sum()),
        )
        for j, name in enumerate(design.names)
    ]
    return tuple(sorted(found, key=lambda s: (-round(s.harm, 9), s.addition)))


def heaviest(found: Sequence[Share], most: int = 3) -> tuple[str, ...]:
    """The few additions that surely weigh something; if none does, the first one."""
    sure = [s.addition for s in found if s.low > 0] or [s.addition for s in found[:1]]
    return tuple(sure[:most])


def _design(session: Session) -> Design | None:
    scored = [e for e in session.judged if e.trial.arm.plain and e.verdict.score is not None]
    runs = [e for e in scored if e.verdict.outcome is not Outcome.UNRESOLVED]
    names = tuple(sorted(session.experiment.names))
    if len(runs) < LEAST or len({e.trial.arm for e in runs}) < 3:
        return None
    on = np.array([[n in e.trial.arm.additions for n in names] for e in runs], dtype=np.float64)
    metric = session.experiment.metric
    harm = np.array([metric.harm(_score(e), 0.0) for e in runs], dtype=np.float64)
    return Design(on, harm, names, metric.expected_sd)


def _score(event: Judged) -> float:
    assert event.verdict.score is not None
    return event.verdict.score


def _posterior(design: Design) -> tuple[Floats, Floats]:
    """Mean and covariance of the shares, averaged over how uneven they may be."""
    equal = _equal_share(design)
    fits = [_fit(design, equal, spread * max(abs(equal), 1e-12)) for spread in SPREADS]
    logs = np.array([evidence for _, _, evidence in fits])
    weights = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    mean = sum(w * m for w, (m, _, _) in zip(weights, fits, strict=True))
    cover = sum(
        w * (c + np.outer(m - mean, m - mean)) for w, (m, c, _) in zip(weights, fits, strict=True)
    )
    return np.asarray(mean), np.asarray(cover)


def _equal_share(design: Design) -> float:
    """The slope of harm on how many additions are on."""
    size = design.on.sum(axis=1)
    return float(np.polyfit(size, design.harm, 1)[0])


def _fit(design: Design, equal: float, spread: float) -> tuple[Floats, Floats, float]:
    """Mean, covariance and log evidence of shares that are normal about an equal one.

    Student t residuals as a scale mixture, by iterated reweighting (Lange, Little and Taylor,
    Robust Statistical Modeling Using the t Distribution, JASA 84, 1989).
    """
    runs, count = design.on.shape
    x = np.column_stack([design.on, np.ones(runs)])
    prior = np.append(np.full(count, spread**-2.0), 1e-12)
    target = design.harm - equal * design.on.sum(axis=1)
    weight, square = np.ones(runs), max(float(np.var(target)), design.expected_sd**2, 1e-18)
    for _ in range(ROUNDS):
        inverse = np.linalg.inv((x.T * weight) @ x / square + np.diag(prior))
        mean = inverse @ (x.T @ (weight * target)) / square
        rest = (target - x @ mean) ** 2
        spent = float(np.trace((x.T * weight) @ x @ inverse)) / square
        free = max(runs - spent, 1.0) + 1.0
        square = max((float(weight @ rest) + design.expected_sd**2) / free, 1e-18)
        weight = (FREEDOM + 1) / (FREEDOM + rest / square)
    evidence = _evidence(x[:, :-1], target, weight / square, spread)
    return np.asarray(equal + mean[:-1]), np.asarray(inverse[:-1, :-1], dtype=np.float64), evidence


def _evidence(on: Floats, target: Floats, precision: Floats, spread: float) -> float:
    """Log density of the runs if shares have this spread."""
    cover = np.diag(1 / precision) + spread**2 * on @ on.T
    # An intercept that may be anything.
    cover += 1e3 * max(float(np.var(target)), 1e-18)
    _, size = np.linalg.slogdet(cover)
    return float(-(size + target @ np.linalg.solve(cover, target)) / 2)
