"""How suspect an addition is before any run, by what earlier searches found."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from bisector.model.experiment import Addition, Experiment, Find, Kind
from bisector.model.session import Ruling, Session
from bisector.plan.space import KIND_PRIOR

TELLING = {Ruling.CULPRIT, Ruling.INTERACTION, Ruling.SEVERAL, Ruling.NEEDS_LR, Ruling.NOTHING_BREAKS}  # fmt: skip
"""Verdicts that say of single additions whether they break training."""

KIND_WEIGHT, NAME_WEIGHT = 20.0, 4.0
"""Findings that the usual share of a kind weighs, and that a kind's share weighs for one name."""


@dataclass(frozen=True)
class Past:
    """What earlier searches found: how often a name or a kind was looked at, and was guilty."""

    searches: Counter[str] = field(default_factory=Counter)
    """Searches by the name of an addition that they decided about."""
    guilty: Counter[str] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    """Findings about additions of a kind, whatever their name."""
    guilty_kinds: Counter[Kind] = field(default_factory=Counter)

    def prior(self, addition: Addition) -> float:
        """The mean of a Beta whose own prior mean is that of the kind's Beta."""
        weight = KIND_WEIGHT * KIND_PRIOR[addition.kind] + self.guilty_kinds[addition.kind]
        of_kind = weight / (KIND_WEIGHT + self.kinds[addition.kind])
        seen = self.searches[addition.name]
        return (NAME_WEIGHT * of_kind + self.guilty[addition.name]) / (NAME_WEIGHT + seen)


def learned(experiment: Experiment, earlier: Iterable[Session]) -> Experiment:
    """The experiment, its additions as suspect as earlier searches make them.

    What the configuration says of an addition stands. So does the usual share of its kind where
    no search has decided about the kind yet.
    """
    past = _past(earlier)
    return replace(experiment, additions=tuple(_with_prior(a, past) for a in experiment.additions))


def _with_prior(addition: Addition, past: Past) -> Addition:
    findings = past.kinds[addition.kind]
    if addition.prior is not None or not findings:
        return addition
    return replace(addition, prior=round(past.prior(addition), 4), learned_from=findings)


def _past(earlier: Iterable[Session]) -> Past:
    past = Past()
    for session in earlier:
        for addition, guilty in _findings(session):
            past.searches[addition.name] += 1
            past.guilty[addition.name] += guilty
            past.kinds[addition.kind] += 1
            past.guilty_kinds[addition.kind] += guilty
    return past


def _findings(session: Session) -> Iterator[tuple[Addition, bool]]:
    """The additions that a search decided about, and whether each is guilty."""
    end = session.conclusion
    if end is None or end.ruling not in TELLING:
        return
    guilty = frozenset().union(*end.culprits)
    masked = frozenset().union(*(d.culprit for d in end.dormant))
    first = session.experiment.find is Find.FIRST and bool(guilty)
    for addition in session.experiment.additions:
        if addition.name in guilty | masked:
            yield addition, True
        elif not first and addition.name in session.experiment.full:
            yield addition, False
