"""What a verdict says of each addition, for machines that ask addition by addition."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bisector.model.experiment import Addition
from bisector.model.session import Ruling
from bisector.report.summary import Summary
from bisector.report.wording import name

BLAMES = frozenset(
    {Ruling.CULPRIT, Ruling.INTERACTION, Ruling.SEVERAL, Ruling.NEEDS_LR, Ruling.CUMULATIVE}
)
"""The rulings by which additions break training."""


class Standing(StrEnum):
    """How an addition stands after the search."""

    GUILTY = "guilty"
    CLEARED = "cleared"
    OPEN = "open"
    """The search neither convicted nor cleared it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One addition and what is held against it."""

    addition: Addition
    standing: Standing
    because: str
    """One sentence, names in backticks."""


def answers(summary: Summary, additions: Iterable[Addition]) -> tuple[Answer, ...]:
    """The answer for each addition, in declared order."""
    guilty = frozenset().union(*summary.culprits) if summary.ruling in BLAMES else frozenset()
    return tuple(_answer(summary, a, guilty=a.name in guilty) for a in additions)


def _answer(summary: Summary, addition: Addition, *, guilty: bool) -> Answer:
    who = name(addition.name)
    if guilty:
        return Answer(addition, Standing.GUILTY, summary.sentence)
    trained = summary.ruling is Ruling.NOTHING_BREAKS
    # What broke the search's own footing clears nobody.
    if trained or (summary.ruling in BLAMES and addition.name in summary.cleared):
        return Answer(addition, Standing.CLEARED, f"{who} does not break training.")
    return Answer(addition, Standing.OPEN, f"The search did not decide about {who}.")
