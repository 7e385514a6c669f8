"""Whose part in the harm is how large, and what a fairer answer would cost."""

from dataclasses import dataclass
from math import ceil

from scipy.special import ndtri

from bisector.model.session import Session
from bisector.report.effects import CONFIDENCE, Share, shares
from bisector.report.estimate import width
from bisector.report.wording import count, duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Shares in the harm by the runs already made, and the price of Shapley values."""

    shares: tuple[Share, ...]
    """Largest first."""
    shapley_runs: int
    """Runs that Shapley values by sampled orders would take."""
    shapley_seconds: float | None
    """Their wall time at the pace of this search; None: not known."""
    remark: str
    """Both in words."""


def attribution(session: Session) -> Attribution:
    """What the runs of a session say of every addition."""
    runs = shapley_runs(session)
    seconds = _seconds(session, runs)
    time = "" if seconds is None else f", about {duration(seconds)}"
    remark = (
        f"These are average effects from the runs already made. Shapley values, which share what "
        f"additions do together as well, would take about {count(runs, 'further run')}{time}: sampled "
        f"orders of adding all {len(session.experiment.full)}, each told to within half of an "
        f"equal share."
    )
    return Attribution(
        shares=shares(session), shapley_runs=runs, shapley_seconds=seconds, remark=remark
    )


def shapley_runs(session: Session) -> int:
    """Runs for Shapley values by random orders, each told to within half of an equal share.

    One order of n additions is n - 1 runs beside the baseline and everything on, and gives each
    addition one marginal effect, the difference of two runs: 2 (z sd / (share / 2))^2 orders for
    an interval that reaches half a share to either side (Castro, Gomez and Tejada, Polynomial calculation of the Shapley
    value based on sampling, 2009). Effects that depend on the order take more.
    """
    metric = session.experiment.metric
    end = session.conclusion
    sd = end.effect.sd if end and end.effect else metric.expected_sd
    worth = end.effect.worth if end and end.effect else metric.min_effect
    most = max(len(session.experiment.full) - 1, 1)
    share = end.effect.harm / (most + 1) if end and end.effect else 0.0
    told = min(worth, share) if share > 0 else worth
    z = float(ndtri((1 + CONFIDENCE) / 2))
    orders = max(2, ceil(2 * (2 * z * sd / told) ** 2)) if told > 0 else 2
    return orders * most


def _seconds(session: Session, runs: int) -> float | None:
    whole = [e.seconds for e in session.judged if not e.verdict.early]
    return sum(whole) / len(whole) * ceil(runs / width(session)) if whole else None
