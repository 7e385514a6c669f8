"""The default planner: train whatever tells most about the culprit, until it is proved.

Bayesian group testing with learned noise: `belief` weighs every explanation by the
runs so far, `questions` chooses the next sets, `certificate` says what must be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from bisector.model.experiment import Experiment
from bisector.model.session import NOTHING_LEFT, Ruling, Session, Suspect
from bisector.plan.belief import Belief, Prior, believe
from bisector.plan.certificate import certificate
from bisector.plan.claim import claimed, indistinct, lacking, said, suspects
from bisector.plan.cost import expected_cost, resolvable
from bisector.plan.likelihood import Likelihood, PassFail, Slip
from bisector.plan.metric import by_metric
from bisector.plan.observations import Observations, observe
from bisector.plan.questions import LEADERS, LEADING, RANDOM, Terms, candidates, pick
from bisector.plan.shapes import PRIOR
from bisector.plan.space import Bools, Space
from bisector.plan.stream import uniforms
from bisector.ports import Accusation

LEAST_BITS = 1e-4
"""Expected information below which two explanations cannot be told apart."""
MISFIT = 0.9
"""Probability of chance at which no explanation is said to fit."""


@dataclass(frozen=True)
class AdaptivePlanner:
    """Chooses sets by expected information per cost, and accuses at the confidence asked."""

    evidence: str = "auto"
    """`pass-fail`, `metric`, or `auto`: the metric where it tells more."""
    false_fail: tuple[float, float] = (2.0, 38.0)
    """Beta prior of the chance that a healthy arm's run fails: (fails, passes); fewer than one failure count as one."""
    false_pass: tuple[float, float] = (2.0, 18.0)
    """Beta prior of the chance that a broken arm's run passes: (passes, fails); likewise."""
    flaky: float = 0.02
    """Chance that runs deceive several times as often as that."""
    intermittent: float = 0.03
    """Chance that the failure sought shows on some seeds only."""
    prior: Mapping[str, float] = field(default_factory=dict)
    """Prior weights by shape of explanation, over those of `shapes.PRIOR`."""

    def decide(self, session: Session, slots: int) -> tuple[frozenset[str], ...] | Accusation:
        """Sets to train, or an accusation; empty while running trials may still decide."""
        seen = observe(session)
        belief = self._belief(session.experiment, seen)
        claim = claimed(session.experiment, belief, seen)
        claim = claim or indistinct(session.experiment, belief, seen)
        if claim and not claim.missing:
            return claim.accusation
        if belief.chance >= MISFIT:
            return _give_up(belief, seen, "the failures follow no set of additions")
        left = min(slots, session.experiment.budget.trials - session.spent)
        if left <= 0 < slots:
            return () if seen.pending else _give_up(belief, seen, "the budget is spent")
        if claim:
            return tuple(s for s in claim.missing if s not in seen.pending)[:left]
        return self._ask(session, belief, seen, left)

    def rank(self, session: Session) -> tuple[Suspect, ...]:
        """The explanations still in play, likeliest first."""
        return suspects(self.belief(session), observe(session))

    def belief(self, session: Session) -> Belief:
        """What the runs so far make probable, in full."""
        return self._belief(session.experiment, observe(session))

    def _belief(self, experiment: Experiment, seen: Observations) -> Belief:
        prior = tuple(sorted({**PRIOR, **self.prior}.items()))
        # Told rates may be too low by far: at least one imagined run has deceived.
        (a1, a0), (b1, b0) = self.false_fail, self.false_pass
        slip = Slip((max(a1, 1.0), a0), (max(b1, 1.0), b0), self.flaky, self.intermittent)
        return _believe(experiment, seen, (self.evidence, slip, prior))

    def _ask(
        self, session: Session, belief: Belief, seen: Observations, slots: int
    ) -> tuple[frozenset[str], ...] | Accusation:
        if slots <= 0:
            return ()
        space = belief.space
        seed = (session.experiment.seed, len(seen.runs), len(seen.pending), space.size)
        uniform = uniforms(seed, RANDOM * (space.size + 1)).reshape(RANDOM, -1)
        chance = resolvable(seen, space)
        terms = Terms(
            expected_cost(seen, space, chance),
            _needed(belief, seen),
            _urgent(belief, seen),
            session.experiment.budget.confidence,
        )
        pending = space.encode(seen.pending)
        questions = pick(belief, terms, pending, slots, candidates(belief, uniform))
        worth = [q.row for q in questions if q.bits * chance(q.row[None])[0] >= LEAST_BITS]
        asked = tuple(map(space.decode, worth))
        if not asked and not seen.pending:
            return _give_up(belief, seen, NOTHING_LEFT)
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
    """Rows that certificates of the leaders lack, with the chance that each is asked for."""
    needed: dict[bytes, float] = {}
    for members, probability in belief.ranked[:LEADERS]:
        proof = certificate(members, belief.space)
        for subset in lacking(proof, belief.space, seen):
            key = np.packbits(belief.space.encode([subset])).tobytes()
            needed[key] = needed.get(key, 0.0) + probability
    return needed


def _urgent(belief: Belief, seen: Observations) -> tuple[Bools, ...]:
    """What the certificate of a leader lacks that is likelier than not, and is not training."""
    (members, probability), space = belief.ranked[0], belief.space
    if probability < LEADING:
        return ()
    missing = lacking(certificate(members, space), space, seen)
    return tuple(space.encode([s])[0] for s in missing if s not in seen.pending)


def _give_up(belief: Belief, seen: Observations, because: str) -> Accusation:
    leader, *rest = suspects(belief, seen)
    rival = next((s for s in rest if s.probability > leader.probability / 4), None)
    if rival and rival.culprits:
        because += f"; {said(leader)} cannot be told from {said(rival)}"
    return Accusation(leader, because, Ruling.INCONCLUSIVE)
