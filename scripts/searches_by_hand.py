"""How people search today, as procedures: each set by the majority of three seeds."""

from dataclasses import dataclass

from bisector.model.experiment import Experiment
from bisector.model.session import Session, Suspect
from bisector.plan import majority
from bisector.plan.majority import Procedure, Search
from bisector.plan.progressive import stages
from bisector.ports import Accusation

Subset = frozenset[str]


def linear(experiment: Experiment) -> Search:
    """Add one at a time, in order; the last one in when it breaks did it."""
    on: Subset = frozenset()
    for addition in stages(experiment):
        on |= {addition.name}
        if (yield on):
            return (frozenset({addition.name}),)
    return ()


def each_alone(experiment: Experiment) -> Search:
    """Each alone on the baseline; whatever breaks is a culprit."""
    found: tuple[Subset, ...] = ()
    for addition in stages(experiment):
        if (yield frozenset({addition.name})):
            found += (frozenset({addition.name}),)
    return found


def leave_one_out(experiment: Experiment) -> Search:
    """The full recipe less each; those without which it trains break it together."""
    found: Subset = frozenset()
    for addition in stages(experiment):
        if not (yield experiment.full - {addition.name}):
            found |= {addition.name}
    return (found,) if found else ()


def prefix_search(experiment: Experiment) -> Search:
    """Halve the ordered list, as `git bisect` does; the first addition that breaks it did it."""
    order = [a.name for a in stages(experiment)]
    trains, breaks = 0, len(order)
    while breaks - trains > 1:
        middle = (trains + breaks) // 2
        if (yield frozenset(order[:middle])):
            breaks = middle
        else:
            trains = middle
    return (frozenset({order[trains]}),)


@dataclass(frozen=True)
class ByHand:
    """One of these procedures, each set by the majority of three seeds."""

    procedure: Procedure

    def decide(self, session: Session, slots: int) -> tuple[Subset, ...] | Accusation:
        """What the procedure needs next, or what it found."""
        return majority.decide(session, slots, self.procedure, 3)

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """Nothing: no such procedure weighs explanations."""
        return ()
