"""A session together with the tables that the words about it draw on, derived once."""

from collections.abc import Sequence
from dataclasses import dataclass

from bisector.model.experiment import Experiment
from bisector.model.session import Concluded, Ruling, Session, Suspect
from bisector.model.trial import Arm
from bisector.report.arms import ArmRow, arm_rows
from bisector.report.beliefs import Belief, beliefs, cleared
from bisector.report.effects import Share, shares

_NOBODY_ACCUSED = (Ruling.BASELINE_BROKEN, Ruling.BASELINE_FLAKY)
"""Where no addition was looked for, so that what is believed of them was there before."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What `findings` and `advice` put into words."""

    session: Session
    rows: tuple[ArmRow, ...]
    beliefs: tuple[Belief, ...]
    cleared: tuple[str, ...]
    shares: tuple[Share, ...] = ()
    """Each addition's part in the harm, largest first, where harm adds up or seems to; else none."""

    @property
    def experiment(self) -> Experiment:
        """What was asked."""
        return self.session.experiment

    @property
    def end(self) -> Concluded:
        """The conclusion, for the words that are chosen by its ruling."""
        end = self.session.conclusion
        if end is None:
            raise ValueError("The session has no conclusion yet.")
        return end

    def row(self, arm: Arm) -> ArmRow | None:
        """The arm's evidence, if it has any."""
        return next((r for r in self.rows if r.arm == arm), None)


def read(session: Session, ranked: Sequence[Suspect]) -> Reading:
    """The reading of `session`; a conclusion's own ranking goes before `ranked`."""
    end = session.conclusion
    ranked = end.ranked if end is not None and end.ranked else ranked
    if end is not None and end.ruling in _NOBODY_ACCUSED:
        ranked = ()
    masked = (
        frozenset().union(*(d.culprit | d.rescuers for d in end.dormant)) if end else frozenset()
    )
    innocent = tuple(n for n in cleared(session.experiment.names, ranked) if n not in masked)
    parts = shares(session) if _adds_up(end) else ()
    return Reading(session, arm_rows(session), beliefs(ranked), innocent, parts)


def _adds_up(end: Concluded | None) -> bool:
    """Whether the verdict, or what is likeliest without one, is harm that adds up."""
    if end is None or end.ruling.decided:
        return end is not None and end.ruling is Ruling.CUMULATIVE
    return bool(end.ranked) and end.ranked[0].cumulative
