"""The default planner: train whatever tells most about the culprit, until it is proved.

Bayesian group testing with learned noise: `belief` weighs every explanation by the
runs so far, `questions` chooses the next sets, `certificate` says what must be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from bisector.model.experiment import Experiment
from bisector.model.session import Ruling, Session, Suspect
from bisector.plan.belief import Belief, Prior, believe
from bisector.plan.catalogue import PRIOR
from bisector.plan.certificate import Certificate, certificate
from bisector.plan.cost import expected_cost, resolvable
from bisector.plan.families import named, pack
from bisector.plan.likelihood import Likelihood, PassFail, Slip
from bisector.plan.metric import by_metric
from bisector.plan.observations import Observations, observe
from bisector.plan.questions import LEADERS, RANDOM, Terms, candidates, pick
from bisector.plan.space import Bools, Space
from bisector.plan.stream import uniforms
from bisector.ports import Accusation

LEAST_BITS = 0.002
"""Expected information below which a run is not worth its cost."""
MISFIT = 0.9
"""Probability of chance at which no explanation is said to fit."""


@dataclass(frozen=True)
class AdaptivePlanner:
    """Chooses sets by expected information per cost, and accuses at the confidence asked."""

    evidence: str = "auto"
    """`pass-fail`, `metric`, or `auto`: the metric where it tells more."""
    false_fail: tuple[float, float] = (2.0, 38.0)
    """Beta prior of the chance that a healthy arm's run fails: (fails, passes)."""
    false_pass: tuple[float, float] = (2.0, 18.0)
    """Beta prior of the chance that a broken arm's run passes: (passes, fails)."""
    flaky: float = 0.05
    """Chance that runs deceive several times as often as that."""
    prior: Mapping[str, float] = field(default_factory=dict)
    """Prior weights by shape of explanation, over those of `catalogue.PRIOR`."""

    def decide(self, session: Session, slots: int) -> tuple[frozenset[str], ...] | Accusation:
        """Sets to train, or an accusation; empty while running trials may still decide."""
        seen = observe(session)
        belief = self._belief(session.experiment, seen)
        accusation = _accuse(session.experiment, belief, seen)
        if accusation is not None:
            return accusation
        left = session.experiment.budget.trials - session.spent
        if left <= 0:
            return () if seen.pending else _give_up(belief, "the budget is spent")
        return self._ask(session, belief, seen, min(slots, left))

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """The explanations still in play, likeliest first."""
        return _suspects(self._belief(session.experiment, observe(session)))

    def _belief(self, experiment: Experiment, seen: Observations) -> Belief:
        prior = tuple(sorted({**PRIOR, **self.prior}.items()))
        (a1, a0), (b1, b0) = self.false_fail, self.false_pass
        slip = Slip((a1, a0), (b1, b0), self.flaky)
        return _believe(experiment, seen, (self.evidence, slip, prior))

    def _ask(
        self, session: Session, belief: Belief, seen: Observations, slots: int
    ) -> tuple[frozenset[str], ...] | Accusation:
        space, budget = belief.space, session.experiment.budget
        if slots <= 0:
            return ()
        members, probability = belief.ranked[0]
        missing = _missing(certificate(members, space), space, seen)
        if probability >= budget.confidence:
            waiting = {pack(r) for r in space.encode(seen.pending)}
            rows = [r for r in missing if pack(r) not in waiting]
            return tuple(space.decode(r) for r in rows[:slots])
        seed = (session.experiment.seed, len(seen.runs), len(seen.pending), space.size)
        uniform = uniforms(seed, RANDOM * (space.size + 1)).reshape(RANDOM, -1)
        chance = resolvable(seen, space)
        terms = Terms(expected_cost(seen, space, chance), _needed(belief, seen))
        pending = space.encode(seen.pending)
        questions = pick(belief, terms, pending, slots, candidates(belief, uniform))
        worth = [q.row for q in questions if q.bits * chance(q.row[None])[0] >= LEAST_BITS]
        asked = tuple(map(space.decode, worth))
        if not asked and not seen.pending:
            return _give_up(belief, "nothing more can be learned")
        return asked


@lru_cache(maxsize=4)
def _believe(experiment: Experiment, seen: Observations, means: tuple[str, Slip, Prior]) -> Belief:
    evidence, slip, prior = means
    space = _space(experiment)
    rows = space.encode(run.subset for run in seen.runs)
    likelihood: Likelihood = PassFail.of(seen.runs, slip)
    if evidence != "pass-fail":
        likelihood = by_metric(seen.runs, experiment.full, experiment.metric, slip) or likelihood
    return believe(space, rows, likelihood, prior)


@lru_cache(maxsize=16)
def _space(experiment: Experiment) -> Space:
    return Space(experiment)


def _needed(belief: Belief, seen: Observations) -> dict[bytes, float]:
    needed: dict[bytes, float] = {}
    for members, probability in belief.ranked[:LEADERS]:
        for row in _missing(certificate(members, belief.space), belief.space, seen):
            key = np.packbits(row).tobytes()
            needed[key] = needed.get(key, 0.0) + probability
    return needed


def _missing(proof: Certificate, space: Space, seen: Observations) -> list[Bools]:
    """The rows of a certificate that were not seen yet, but for those that cannot be judged."""
    fails = [r for r in proof.fails if not seen.count(space.decode(r))[0]]
    rows = fails + [r for r in proof.passes if not seen.count(space.decode(r))[1]]
    return [r for r in rows if space.decode(r) not in seen.unresolved]


def _accuse(experiment: Experiment, belief: Belief, seen: Observations) -> Accusation | None:
    members, probability = belief.ranked[0]
    sure = experiment.budget.confidence
    if belief.cumulative >= sure:
        suspect = Suspect((), belief.cumulative, cumulative=True)
        return Accusation(suspect, "the harm of many additions adds up", Ruling.CUMULATIVE)
    if belief.chance >= MISFIT:
        return _give_up(belief, "the failures follow no set of additions")
    if probability < sure or _missing(certificate(members, belief.space), belief.space, seen):
        return None
    suspect = Suspect(named(members, belief.space), probability)
    if not members:
        return Accusation(suspect, "every set that failed has passed since", Ruling.NOTHING_BREAKS)
    return Accusation(suspect, "its certificate is complete")


def _give_up(belief: Belief, because: str) -> Accusation:
    return Accusation(_suspects(belief)[0], because, Ruling.INCONCLUSIVE)


def _suspects(belief: Belief) -> tuple[Suspect, ...]:
    found = [Suspect(named(f, belief.space), p) for f, p in belief.ranked]
    found.append(Suspect((), belief.cumulative, cumulative=True))
    return tuple(sorted(found, key=lambda s: -s.probability))
