"""The essay's planner: put the omitted parts back one by one, stage by stage.

Augmentation first, then regularisation, loss, model. Where training breaks, the last
addition is at fault: alone, or with the fewest of those before it that it takes.
"""

from dataclasses import dataclass

from bisector.model.experiment import Addition, Experiment, Find, Kind
from bisector.model.session import Session, Suspect
from bisector.plan import majority
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.majority import Search, adds_up, reduce
from bisector.plan.observations import Subset
from bisector.ports import Accusation


@dataclass(frozen=True)
class ProgressivePlanner:
    """Adds one addition at a time to what trains; each step by majority of `repeats` seeds."""

    repeats: int = 3

    def decide(self, session: Session, slots: int) -> tuple[Subset, ...] | Accusation:
        """The next step's runs and, with slots to spare, those of the steps after it."""
        return majority.decide(session, slots, climb, self.repeats)

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """What the runs so far make probable, however they were chosen."""
        return AdaptivePlanner().rank(session)


def climb(experiment: Experiment) -> Search:
    """Adds one by one; a step that breaks is taken back, with its culprit noted."""
    found: list[Subset] = []
    on: Subset = frozenset()
    waiting = list(stages(experiment))
    while step := _next(experiment, waiting, on):
        waiting.remove(step)
        if not (yield on | {step.name}):
            on |= {step.name}
            continue
        found += yield from _blame(step, on, experiment)
        if experiment.find is Find.FIRST or adds_up(found):
            break
    return tuple(dict.fromkeys(found))


def stages(experiment: Experiment) -> tuple[Addition, ...]:
    """The additions in the order of their stages, else as declared."""
    order = list(Kind)
    return tuple(sorted(experiment.additions, key=lambda a: order.index(a.kind)))


def _next(experiment: Experiment, waiting: list[Addition], on: Subset) -> Addition | None:
    return next((a for a in waiting if experiment.admits(on | {a.name})), None)


def _blame(step: Addition, on: Subset, experiment: Experiment) -> Search:
    """The step alone, with what it needs, or else with the fewest partners it takes."""
    needs = _needs(step.name, experiment)
    alone = needs | {step.name}
    if not on > needs or (yield alone):
        return (frozenset({step.name}),)
    partners = [a.name for a in stages(experiment) if a.name in on - needs]
    (found,) = yield from reduce(partners, alone, experiment)
    return (found | {step.name},)


def _needs(name: str, experiment: Experiment) -> Subset:
    direct = {a.name: a.requires for a in experiment.additions}
    needs = direct[name]
    while more := frozenset().union(*(direct[n] for n in needs)) - needs:
        needs |= more
    return needs
