"""What a belief is sure enough of to be accused, and what must be seen before it is."""

from dataclasses import dataclass
from functools import reduce
from operator import or_

import numpy as np

from bisector.model.experiment import Experiment, Find
from bisector.model.session import Ruling, Suspect
from bisector.plan.belief import Belief
from bisector.plan.certificate import Certificate, certificate
from bisector.plan.cumulative import heaviest
from bisector.plan.families import Family, Term, bits, named, unpack
from bisector.plan.observations import Observations, Subset
from bisector.plan.space import Space
from bisector.ports import Accusation

WHOLE_FAILS = 2
"""Failures of the full recipe before its harm is said to add up: one may be chance."""


@dataclass(frozen=True)
class Claim:
    """An accusation, and the sets that must be seen first."""

    accusation: Accusation
    missing: tuple[Subset, ...] = ()


def claimed(experiment: Experiment, belief: Belief, seen: Observations) -> Claim | None:
    """What is at least as probable as the confidence asked; None: nothing is."""
    sure, space = experiment.budget.confidence, belief.space
    if belief.cumulative >= sure:
        whole = space.decode(space.full)
        lacks = seen.count(whole)[0] < WHOLE_FAILS and whole not in seen.unresolved
        because = "no culprit: the harm of many additions adds up"
        accusation = Accusation(_adding_up(belief, seen), because, Ruling.CUMULATIVE)
        return Claim(accusation, (whole,) if lacks else ())
    if experiment.find is Find.FIRST and (claim := _first(belief, seen, sure)):
        return claim
    members, probability = belief.ranked[0]
    if probability < sure:
        return None
    missing = lacking(certificate(members, space), space, seen)
    suspect = Suspect(named(members, space), probability)
    if members:
        return Claim(Accusation(suspect, "its certificate is complete"), missing)
    because = "every set that failed has passed since"
    return Claim(Accusation(suspect, because, Ruling.NOTHING_BREAKS), missing)


def indistinct(experiment: Experiment, belief: Belief, seen: Observations) -> Claim | None:
    """What is left where a culprit cannot be judged without others; None: that is not the case.

    An addition that needs another one to run at all may be to blame by itself or only with it, and
    no run will tell. All that it was never judged without is then accused with it.
    """
    sure, space, mass = experiment.budget.confidence, belief.space, 0.0
    some: list[Term] = []
    for members, probability in belief.ranked:
        if mass >= sure:
            break
        if len(members) != 1 or members[0].off:
            return None
        some.append(members[0])
        mass += probability
    whole = Term(reduce(or_, (t.on for t in some), 0))
    parts = [t for t in some if t != whole]
    tried = [_without(part, whole, space) for part in parts]
    if mass < sure or not parts or not all(alone in seen.unresolved for alone, _ in tried):
        return None
    least = min((alone for alone, _ in tried), key=len)
    (both,) = named((whole,), space)
    because = (
        f"{said(Suspect((least,), 1.0))} cannot be judged without {', '.join(sorted(both - least))}"
    )
    accused = Accusation(Suspect((both,), min(1.0, mass)), because)
    if any(sum(seen.count(most)) for _, most in tried):
        return None
    open_ = tuple(most for _, most in tried if most not in seen.unresolved)
    return Claim(accused, (*open_, *lacking(certificate((whole,), space), space, seen)))


def _without(part: Term, whole: Term, space: Space) -> tuple[Subset, Subset]:
    """The smallest and the largest set with a part of a whole, and without the rest of it."""
    alone = space.close(unpack([part.on], space.size))[0]
    most = space.without(unpack([whole.on & ~part.on], space.size)[0])
    return space.decode(alone), space.decode(most)


def lacking(proof: Certificate, space: Space, seen: Observations) -> tuple[Subset, ...]:
    """The sets of a certificate not seen to come out right, less those that cannot be judged."""
    fails = (s for s in map(space.decode, proof.fails) if not seen.count(s)[0])
    passes = (s for s in map(space.decode, proof.passes) if not seen.count(s)[1])
    return tuple(s for s in (*fails, *passes) if s not in seen.unresolved)


def suspects(belief: Belief, seen: Observations) -> tuple[Suspect, ...]:
    """The explanations, likeliest first."""
    found = [Suspect(named(f, belief.space), p) for f, p in belief.ranked]
    found.append(_adding_up(belief, seen))
    return tuple(sorted(found, key=lambda s: -s.probability))


def said(suspect: Suspect) -> str:
    """An explanation in a few words."""
    if suspect.cumulative:
        return "harm that adds up"
    return " or ".join(" with ".join(sorted(c)) for c in suspect.culprits) or "nothing"


def _first(belief: Belief, seen: Observations, sure: float) -> Claim | None:
    """The one culprit that is surest, whatever else there may be."""
    mass: dict[Term, float] = {}
    for members, probability in belief.ranked:
        for each in members:
            mass[each] = mass.get(each, 0.0) + probability
    term = max(mass, key=lambda t: (round(mass[t], 9), -t.literals, -t.on), default=Term(0))
    if mass.get(term, 0.0) < sure:
        return None
    suspect = Suspect(named((term,), belief.space), mass[term])
    because = "its certificate is complete; others were not looked for"
    proof = _alone((term,), belief.space)
    return Claim(Accusation(suspect, because), lacking(proof, belief.space, seen))


def _alone(members: Family, space: Space) -> Certificate:
    """That a set has failed, and every part of it has passed."""
    (term,) = members
    parts = [part for c in bits(term.on) if (part := term.on ^ (1 << c))]
    rows = space.close(unpack(parts, space.size))
    return Certificate(certificate(members, space).fails, rows)


def _adding_up(belief: Belief, seen: Observations) -> Suspect:
    """Harm that adds up, with what weighs most first."""
    space = belief.space
    rows = space.encode(run.subset for run in seen.runs)
    failed = np.array([run.failed for run in seen.runs], dtype=np.bool_)
    weight = np.round(heaviest(space, rows, failed, belief.size_fails), 9)
    order = [i for i in np.argsort(-weight, kind="stable") if weight[i] > 0]
    culprits = tuple(frozenset({space.names[i]}) for i in order)
    return Suspect(culprits, belief.cumulative, cumulative=True)
