"""What every planner must do, as tests to inherit; searches are played in memory.

class TestMyPlanner(PlannerContract):
    target = "mylab.search:MyPlanner"
    options = {"repeats": 3}
"""

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from bisector.model.experiment import Addition, Budget, Experiment
from bisector.model.session import Judged, Launched, Ruling, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.ports import Accusation, Planner

Subset = frozenset[str]
Train = Callable[[Trial], Verdict]
"""What becomes of a run."""

HEALTHY = Verdict(Outcome.HEALTHY, 0.01)
BROKEN = Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.WORSE))
UNRESOLVED = Verdict(Outcome.UNRESOLVED, 0.5)

SLOTS = (1, 2, 8)
SAME_ARM_LOST = 6
"""Runs that a set may cost which can never be judged."""


def experiment(names: Sequence[str] = "abcdefgh", **budget: float) -> Experiment:
    """Additions without ties; `budget` overrides the fields of `Budget`, 200 trials at first."""
    terms: dict[str, Any] = {"trials": 200} | budget
    additions = tuple(Addition(name=name, overrides=()) for name in names)
    return Experiment(name="contract", additions=additions, budget=Budget(**terms))


def opened(asked: Experiment, train: Train) -> Session:
    """A session in which the baseline has been run as often as asked, and the full recipe once."""
    session = Session(asked)
    arms = [(Arm(), k, Purpose.BASELINE) for k in range(asked.budget.repeats)]
    for arm, k, purpose in [*arms, (Arm(asked.full), 0, Purpose.REPRODUCE)]:
        trial = Trial(len(session.launched), arm, asked.seed + k, purpose)
        session = session.add(Launched(trial, "")).add(Judged(trial, train(trial), 1.0))
    return session


def launched(session: Session, sets: Sequence[Subset]) -> Session:
    """The session once these sets have been started, each on the next seed of its arm."""
    for subset in sets:
        arm = Arm(subset)
        seed = session.experiment.seed + sum(e.trial.arm == arm for e in session.launched)
        trial = Trial(len(session.launched), arm, seed, Purpose.ISOLATE)
        session = session.add(Launched(trial, ""))
    return session


def play(
    planner: Planner, session: Session, train: Train, slots: int = 1
) -> tuple[Session, Accusation]:
    """Search to the accusation, runs ending in the order they began; rules kept all along."""
    while True:
        free = slots - len(session.running)
        answer = planner.decide(session, free) if free else ()
        if isinstance(answer, Accusation):
            return session, answer
        assert len(answer) <= free, "more sets than slots"
        assert all(map(session.experiment.admits, answer)), "a set that cannot be trained"
        session = launched(session, answer)
        assert session.spent <= session.experiment.budget.trials, "more runs than the budget"
        if not answer:
            assert session.running, "waits, but nothing is running"
            trial = session.running[0].trial
            session = session.add(Judged(trial, train(trial), 1.0))


def breaks_with(*culprits: str) -> Train:
    """Broken where every addition of any culprit is on: `breaks_with("a", "cd")`."""
    sets = [frozenset(c) for c in culprits]
    return lambda trial: BROKEN if any(s <= trial.arm.additions for s in sets) else HEALTHY


class PlannerContract:
    """Inherit, and say in `target` and `options` what to build."""

    target: ClassVar[str]
    """`module:Class` of the planner."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Its keyword arguments; plain JSON."""

    @classmethod
    def build(cls) -> Planner:
        """A new planner."""
        module, _, name = cls.target.partition(":")
        made: Planner = getattr(importlib.import_module(module), name)(**cls.options)
        return made

    def search(self, asked: Experiment, train: Train, slots: int) -> tuple[Session, Accusation]:
        """A whole search by a new planner."""
        return play(self.build(), opened(asked, train), train, slots)

    @pytest.mark.parametrize("slots", SLOTS)
    @pytest.mark.parametrize("culprit", ["a", "h", "be"])
    def test_a_culprit_is_found_with_any_number_of_slots(self, culprit: str, slots: int) -> None:
        _, accusation = self.search(experiment(), breaks_with(culprit), slots)
        assert accusation.suspect.culprits == (frozenset(culprit),)
        assert accusation.ruling is None

    @pytest.mark.parametrize("slots", SLOTS)
    def test_only_sets_that_can_be_trained_are_asked_for(self, slots: int) -> None:
        needs, rivals = {"b": "a", "f": "be"}, {"d": "c"}
        additions = tuple(
            replace(
                a,
                requires=frozenset(needs.get(a.name, "")),
                excludes=frozenset(rivals.get(a.name, "")),
            )
            for a in experiment("abcdef").additions
        )
        asked = replace(experiment(), additions=additions)
        _, accusation = self.search(asked, breaks_with("b"), slots)
        # `b` never runs without `a`, and that is no guilt of `a`.
        assert accusation.suspect.culprits == (frozenset("b"),)

    @pytest.mark.parametrize("slots", SLOTS)
    def test_a_full_recipe_that_failed_once_by_chance_accuses_nobody(self, slots: int) -> None:
        def train(trial: Trial) -> Verdict:
            return BROKEN if trial.purpose is Purpose.REPRODUCE else HEALTHY

        _, accusation = self.search(experiment("abcdef"), train, slots)
        assert accusation.suspect.culprits == ()
        assert accusation.ruling is Ruling.NOTHING_BREAKS

    @pytest.mark.parametrize("slots", SLOTS)
    def test_a_spent_budget_ends_the_search_without_a_verdict(self, slots: int) -> None:
        asked = experiment(trials=9)
        session, accusation = self.search(asked, breaks_with("cf"), slots)
        assert accusation.ruling is Ruling.INCONCLUSIVE
        assert session.spent <= 9

    @pytest.mark.parametrize("slots", SLOTS)
    def test_sets_that_cannot_be_judged_are_not_asked_for_over_and_over(self, slots: int) -> None:
        def train(trial: Trial) -> Verdict:
            lacking = "b" in trial.arm.additions and "a" not in trial.arm.additions
            return UNRESOLVED if lacking else breaks_with("e")(trial)

        session, accusation = self.search(experiment("abcdef"), train, slots)
        assert accusation.suspect.culprits == (frozenset("e"),)
        lost = [e.trial.arm for e in session.judged if e.verdict.outcome is Outcome.UNRESOLVED]
        assert max(Counter(lost).values(), default=0) <= SAME_ARM_LOST

    @pytest.mark.parametrize("slots", [1, 3])
    def test_the_same_session_gives_the_same_answer(self, slots: int) -> None:
        session, _ = self.search(experiment("abcdef"), breaks_with("c"), slots)
        planner = self.build()
        for cut in range(len(session.events), 0, -2):
            prefix = replace(session, events=session.events[:cut])
            assert planner.decide(prefix, slots) == self.build().decide(prefix, slots)
            assert planner.rank(prefix) == self.build().rank(prefix)

    def test_explanations_are_ranked_with_probabilities(self) -> None:
        session, _ = self.search(experiment("abcdef"), breaks_with("c"), 1)
        planner = self.build()
        for cut in range(2, len(session.events) + 1, 2):
            ranked = planner.rank(replace(session, events=session.events[:cut]))
            shares = [s.probability for s in ranked]
            assert shares == sorted(shares, reverse=True)
            assert all(0.0 <= p <= 1.0 for p in shares)
            assert sum(shares) <= 1.0 + 1e-9
            assert len({(s.culprits, s.cumulative) for s in ranked}) == len(ranked)

    def test_runs_that_are_no_plain_sets_are_no_evidence(self) -> None:
        asked = experiment("abcdef")
        session = opened(asked, breaks_with("c"))
        other = Arm(frozenset("c"), lr_scale=0.1)
        trial = Trial(len(session.launched), other, asked.seed, Purpose.SWEEP_LR)
        after = session.add(Launched(trial, "")).add(Judged(trial, HEALTHY, 1.0))
        assert self.build().decide(after, 2) == self.build().decide(session, 2)

    @pytest.mark.parametrize("slots", SLOTS)
    def test_nothing_is_accused_that_no_run_speaks_against(self, slots: int) -> None:
        def train(trial: Trial) -> Verdict:
            # One run in five lies.
            lies = (7 * trial.number + 3 * len(trial.arm.additions)) % 5 == 0
            broken = ("c" in trial.arm.additions) != (lies and trial.purpose is Purpose.ISOLATE)
            return BROKEN if broken else HEALTHY

        session, accusation = self.search(experiment("abcdef"), train, slots)
        assert_backed(session, accusation)


def assert_backed(session: Session, accusation: Accusation) -> None:
    """Each set accused was on in a run that failed, and has not only passed when alone."""
    for culprit in accusation.suspect.culprits if accusation.ruling is None else ():
        held = [e for e in session.judged if culprit <= e.trial.arm.additions]
        assert any(e.verdict.outcome is Outcome.BROKEN for e in held)
        alone = [e.verdict.outcome for e in held if e.trial.arm == Arm(culprit)]
        assert not alone or Outcome.BROKEN in alone
