"""Delta debugging (Zeller and Hildebrandt, 2002) with repeated runs, for comparison.

It halves the full recipe until no part can go. Each culprit is then taken out of the
recipe, and what is left is searched again for as long as it fails.
"""

from dataclasses import dataclass

from bisector.model.experiment import Experiment, Find
from bisector.model.session import Session, Suspect
from bisector.plan import majority
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.majority import Search, reduce
from bisector.plan.observations import Subset
from bisector.plan.progressive import stages
from bisector.ports import Accusation


@dataclass(frozen=True)
class DdminPlanner:
    """Minimises the failing recipe; each subset by majority of `repeats` seeds."""

    repeats: int = 3

    def decide(self, session: Session, slots: int) -> tuple[Subset, ...] | Accusation:
        """The next subset's runs and, with slots to spare, those that follow if it trains."""
        return majority.decide(session, slots, minimise, self.repeats)

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """What the runs so far make probable, however they were chosen."""
        return AdaptivePlanner().rank(session)


def minimise(experiment: Experiment) -> Search:
    """Minimal failing sets, one after another, each taken out of the recipe that is left."""
    found: list[Subset] = []
    left = experiment.full
    while left and (yield left):
        items = [a.name for a in stages(experiment) if a.name in left]
        found += yield from reduce(items, frozenset(), experiment)
        if experiment.find is Find.FIRST:
            break
        left = _largest(experiment, left - found[-1])
    return tuple(found)


def _largest(experiment: Experiment, subset: Subset) -> Subset:
    """The subset less whatever cannot run without what is gone."""
    while orphans := {
        a.name for a in experiment.additions if a.name in subset and a.requires - subset
    }:
        subset -= orphans
    return subset
