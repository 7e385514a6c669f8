"""The planner contract on every planner of ours, and what only the adaptive one promises."""

from dataclasses import replace
from random import Random
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisector.model.session import Judged, Launched, Ruling, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.ddmin import DdminPlanner
from bisector.plan.progressive import ProgressivePlanner
from bisector.ports import Accusation, Planner
from bisector.testing.planner import (
    BROKEN,
    HEALTHY,
    PlannerContract,
    Train,
    assert_backed,
    breaks_with,
    experiment,
    opened,
    play,
)

PLANNERS = [AdaptivePlanner(), ProgressivePlanner(), DdminPlanner()]
NOISE = {"a": 0.05, "b": 0.1}

sets = st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=3)
families = st.lists(sets, max_size=2)
some = st.lists(sets, min_size=1, max_size=2)


class TestAdaptive(PlannerContract):
    target = "bisector.plan.adaptive:AdaptivePlanner"


class TestProgressive(PlannerContract):
    target = "bisector.plan.progressive:ProgressivePlanner"


class TestDdmin(PlannerContract):
    target = "bisector.plan.ddmin:DdminPlanner"
    options: ClassVar = {"repeats": 3}


def noisy(culprits: list[frozenset[str]], seed: int, a: float, b: float) -> Train:
    """Healthy sets fail with chance `a`, broken ones pass with chance `b`; the free ends do not."""
    rng = Random(seed)

    def train(trial: Trial) -> Verdict:
        broken = any(c <= trial.arm.additions for c in culprits)
        if trial.purpose is Purpose.ISOLATE and rng.random() < (b if broken else a):
            broken = not broken
        return BROKEN if broken else HEALTHY

    return train


def wrong(planner: Planner, slots: int, games: int) -> int:
    """Wrong answers in searches for one culprit, or for two that break only together."""
    count = 0
    for game in range(games):
        culprit = frozenset(Random(game).sample("abcdefgh", 1 + game % 2))
        train = noisy([culprit], game, **NOISE)
        asked = experiment("abcdefgh", repeats=1)
        _, accusation = play(planner, opened(asked, train), train, slots)
        count += accusation.suspect.culprits != (culprit,)
    return count


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: type(p).__name__)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(families, st.integers(0, 999), st.sampled_from([0.0, 0.2]), st.sampled_from([1, 3, 8]))
def test_a_search_ends_and_accuses_nothing_that_its_runs_deny(
    planner, culprits, seed: int, noise: float, slots: int
) -> None:
    train = noisy(culprits, seed, noise, noise)
    start = opened(experiment("abcdef", trials=80), train)
    assert_backed(*play(planner, start, train, slots))


@settings(max_examples=10, deadline=None, derandomize=True)
@given(some, st.integers(0, 999), st.sampled_from([1, 4]))
def test_the_adaptive_planner_has_seen_the_proof_of_what_it_accuses(
    culprits, seed: int, slots: int
) -> None:
    train = noisy(culprits, seed, 0.1, 0.1)
    session, found = play(AdaptivePlanner(), opened(experiment("abcdef"), train), train, slots)
    if found.ruling is None:
        assert found.suspect.probability >= 0.99
        for culprit in found.suspect.culprits:
            assert outcomes(session, culprit) >= {Outcome.BROKEN}
        if len(found.suspect.culprits) == 1:
            for name in found.suspect.culprits[0]:
                rest = session.experiment.full - {name}
                assert outcomes(session, rest) >= {Outcome.HEALTHY}


def outcomes(session: Session, subset: frozenset[str]) -> set[Outcome]:
    return {e.verdict.outcome for e in session.runs(Arm(subset))}


@settings(max_examples=10, deadline=None, derandomize=True)
@given(families, st.integers(0, 999), st.permutations("abcdef"), st.sampled_from([1, 3]))
def test_the_order_in_which_additions_are_declared_changes_nothing(
    culprits, seed: int, order, slots: int
) -> None:
    train = noisy(culprits, seed, 0.1, 0.1)
    session, _ = play(AdaptivePlanner(), opened(experiment("abcdef"), train), train, slots)
    declared = {a.name: a for a in session.experiment.additions}
    shuffled = replace(session.experiment, additions=tuple(declared[n] for n in order))
    for cut in range(8, len(session.events) + 1, 6):
        one = replace(session, events=session.events[:cut])
        two = replace(one, experiment=shuffled)
        assert AdaptivePlanner().decide(one, slots) == AdaptivePlanner().decide(two, slots)
        assert AdaptivePlanner().rank(one) == AdaptivePlanner().rank(two)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(families, st.integers(0, 999), st.permutations("abcdef"))
def test_other_names_for_the_additions_change_no_probability(culprits, seed: int, names) -> None:
    train = noisy(culprits, seed, 0.1, 0.1)
    session, _ = play(AdaptivePlanner(), opened(experiment("abcdef"), train), train)
    renamed = dict(zip("abcdef", names, strict=True))
    one, two = (
        {s.culprits and frozenset(s.culprits): s.probability for s in ranked if not s.cumulative}
        for ranked in (
            AdaptivePlanner().rank(session),
            AdaptivePlanner().rank(relabelled(session, renamed)),
        )
    )
    for family, probability in one.items():
        if probability > 1e-6:
            there = family and frozenset(frozenset(renamed[n] for n in c) for c in family)
            assert two[there] == pytest.approx(probability, abs=1e-9)


def relabelled(session: Session, names: dict[str, str]) -> Session:
    def of(trial: Trial) -> Trial:
        return replace(trial, arm=Arm(frozenset(names[n] for n in trial.arm.additions)))

    return replace(session, events=tuple(replace(e, trial=of(e.trial)) for e in session.events))


def test_probabilities_sum_to_one_with_256_additions() -> None:
    names = [f"a{i:03d}" for i in range(256)]
    asked = experiment(names)
    train = breaks_with(("a100",))
    ranked = AdaptivePlanner().rank(opened(asked, train))
    assert 0.0 < sum(s.probability for s in ranked) <= 1.0 + 1e-9
    session, accusation = play(AdaptivePlanner(), opened(asked, train), train, 8)
    assert accusation.suspect.culprits == (frozenset({"a100"}),)
    total = sum(s.probability for s in AdaptivePlanner().rank(session))
    assert total == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("repeats", [1, 3])
def test_step_by_step_harm_that_adds_up_is_seen_to_have_no_culprit(repeats: int) -> None:
    def train(trial: Trial) -> Verdict:
        return BROKEN if len(trial.arm.additions) >= 6 else HEALTHY

    planner = ProgressivePlanner(repeats)
    session, found = play(planner, opened(experiment("abcdefghij"), train), train)
    assert found.ruling is Ruling.CUMULATIVE
    assert found.suspect.cumulative
    assert session.spent < session.experiment.budget.trials


def test_four_that_break_only_together_are_no_harm_that_adds_up() -> None:
    train = breaks_with("bdfh")
    _, found = play(ProgressivePlanner(1), opened(experiment(), train), train)
    assert found.suspect.culprits == (frozenset("bdfh"),)
    assert found.ruling is None


def test_noise_told_three_times_too_low_or_too_high_misleads_no_more_than_one_search() -> None:
    games, (a, b) = 14, NOISE.values()
    right = wrong(AdaptivePlanner(), 1, games)
    for factor in (1 / 3, 3.0):
        told = AdaptivePlanner(
            false_fail=(40 * factor * a, 40 * (1 - factor * a)),
            false_pass=(20 * factor * b, 20 * (1 - factor * b)),
        )
        assert wrong(told, 1, games) <= right + 1


def test_more_slots_make_no_answer_worse() -> None:
    games = 16
    alone = wrong(AdaptivePlanner(), 1, games)
    for slots in (4, 8):
        assert wrong(AdaptivePlanner(), slots, games) <= alone + 1


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("trials", [4, 5, 12])
def test_any_budget_is_kept_and_its_end_is_no_verdict(planner, trials: int) -> None:
    train = breaks_with("bdf")
    session, found = play(
        planner, opened(experiment("abcdefgh", trials=trials), train), train, slots=8
    )
    assert isinstance(found, Accusation)
    assert found.ruling is Ruling.INCONCLUSIVE
    assert session.spent == trials


def test_who_is_told_of_no_noise_does_not_take_one_passed_run_for_proof_of_innocence() -> None:
    names = [f"a{i:02d}" for i in range(16)]
    session = opened(experiment(names), breaks_with(("a03",)))
    for seed, (on, verdict) in enumerate(
        [({"a03"}, BROKEN)] * 3 + [(set(names) - {"a03"}, HEALTHY)]
    ):
        trial = Trial(10 + seed, Arm(frozenset(on)), seed, Purpose.ISOLATE)
        session = session.add(Launched(trial, "")).add(Judged(trial, verdict, 1.0))
    trusting = AdaptivePlanner(false_pass=(0.1, 19.9))
    assert not isinstance(trusting.decide(session, 1), Accusation)
