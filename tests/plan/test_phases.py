"""Whole searches, played out in memory: every phase, every ruling, no process."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisector.model.experiment import Addition, Budget, Experiment, Kind, LearningRate
from bisector.model.session import (
    Concluded,
    Judged,
    Launched,
    LrEffect,
    Ruling,
    Session,
)
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.asks import Want, missing, seat
from bisector.plan.phases import conclude, confirm, isolate, reproduce, steer, sweep_lr
from bisector.plan.progressive import ProgressivePlanner
from bisector.plan.rulings import chance_of_passing, passes_needed, repeats_needed

PLANNERS = [AdaptivePlanner(), ProgressivePlanner()]
STAGES = (Kind.AUGMENTATION, Kind.REGULARISATION, Kind.LOSS, Kind.MODEL)
LR = LearningRate(key="recipe.lr", value=0.1)

HEALTHY = Verdict(Outcome.HEALTHY, 0.01, score=0.95)
BROKEN = Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.WORSE), score=0.1)
LOST = Verdict(Outcome.UNRESOLVED, 0.5, retry=True)

Breaks = Callable[[Trial], bool]


def experiment(n: int, lr: LearningRate | None = None, **budget) -> Experiment:
    additions = tuple(
        Addition(name=f"a{i}", overrides=(f"recipe.a{i}=1",), kind=STAGES[i % 4]) for i in range(n)
    )
    return Experiment(name="t", additions=additions, budget=Budget(**budget), lr=lr)


def play(
    asked: Experiment,
    planner,
    breaks: Breaks,
    slots: int = 2,
    lose: Callable[[Trial], bool] = lambda t: False,
    judge: Callable[[Trial], Verdict] | None = None,
) -> Session:
    """Run a search against an oracle that knows the truth; trials end in the order they began."""
    phases = (reproduce, isolate(planner), confirm, sweep_lr, conclude(planner))
    session, lost = Session(asked), set()
    while not session.conclusion:
        free = slots - len(session.running)
        decision = steer(session, free, phases) if free else None
        if decision and decision.record:
            session = session.add(decision.record)
        for trial in decision.ask if decision else ():
            assert asked.admits(trial.arm.additions)
            session = session.add(Launched(trial, "-"))
        if session.running and (not decision or not decision.ask):
            trial = session.running[0].trial
            key = (trial.arm, trial.seed)
            if lose(trial) and key not in lost:
                lost.add(key)
                verdict = LOST
            elif judge:
                verdict = judge(trial)
            else:
                verdict = BROKEN if breaks(trial) else HEALTHY
            session = session.add(Judged(trial, verdict, 1.0))
    return session


def end(session: Session) -> Concluded:
    assert session.conclusion is not None
    return session.conclusion


def having(*culprit: str) -> Breaks:
    return lambda trial: set(culprit) <= trial.arm.additions


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_single_culprit_is_found_confirmed_and_swept(planner, slots: int) -> None:
    session = play(experiment(8, LR), planner, having("a5"), slots)
    found = end(session)
    assert (found.ruling, found.culprits) == (Ruling.CULPRIT, (frozenset({"a5"}),))
    assert found.confidence >= (0.99 if isinstance(planner, AdaptivePlanner) else 0.9)
    assert found.lr[0].effect is LrEffect.BROKEN_AT_EVERY_LR
    scales = {e.trial.arm.lr_scale for e in session.of(Purpose.SWEEP_LR)}
    assert scales == {0.1, 10.0}


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: type(p).__name__)
def test_an_interaction_is_not_blamed_on_either_half(planner) -> None:
    found = end(play(experiment(8), planner, having("a1", "a6")))
    assert (found.ruling, found.culprits) == (Ruling.INTERACTION, (frozenset({"a1", "a6"}),))


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda p: type(p).__name__)
def test_several_culprits_are_all_named(planner) -> None:
    asked = experiment(8, trials=120)
    found = end(play(asked, planner, lambda t: bool({"a2", "a7"} & t.arm.additions)))
    assert found.ruling is Ruling.SEVERAL
    assert set(found.culprits) == {frozenset({"a2"}), frozenset({"a7"})}


def test_a_culprit_that_trains_at_another_learning_rate_needs_that() -> None:
    def breaks(trial: Trial) -> bool:
        return "a3" in trial.arm.additions and trial.arm.lr_scale > 0.5

    found = end(play(experiment(6, LR), AdaptivePlanner(), breaks))
    assert found.ruling is Ruling.NEEDS_LR
    assert found.lr[0].trains_at == (0.1,)
    assert "x0.1" in found.lr[0].because


def test_one_lucky_seed_at_another_learning_rate_is_not_believed() -> None:
    def breaks(trial: Trial) -> bool:
        lucky = trial.arm.lr_scale == 0.1 and trial.seed == 0
        return "a3" in trial.arm.additions and not lucky

    found = end(play(experiment(6, LR), AdaptivePlanner(), breaks))
    assert found.ruling is Ruling.CULPRIT


def test_a_finer_sweep_is_optunas_and_spends_no_more_than_it_may() -> None:
    lr = replace(LR, low=0.01, high=100.0, trials=4)

    def breaks(trial: Trial) -> bool:
        return "a3" in trial.arm.additions and not 0.2 < trial.arm.lr_scale < 0.6

    session = play(experiment(6, lr), AdaptivePlanner(), breaks)
    scales = {e.trial.arm.lr_scale for e in session.of(Purpose.SWEEP_LR)}
    assert len(scales) == 6
    assert all(0.01 <= s <= 100 for s in scales)


def test_nothing_breaks_only_after_enough_seeds() -> None:
    session = play(experiment(6), AdaptivePlanner(), lambda t: False)
    found = end(session)
    assert found.ruling is Ruling.NOTHING_BREAKS
    assert found.confidence >= 0.99
    assert len(session.of(Purpose.REPRODUCE)) == passes_needed(0.99)
    assert not session.of(Purpose.ISOLATE)


def test_a_failure_on_some_seeds_only_is_still_looked_for() -> None:
    def breaks(trial: Trial) -> bool:
        return "a2" in trial.arm.additions and trial.seed % 3 != 0

    session = play(experiment(6, trials=120), AdaptivePlanner(), breaks)
    assert end(session).culprits == (frozenset({"a2"}),)


def test_a_broken_baseline_is_told_before_anything_else_is_run() -> None:
    session = play(experiment(6), AdaptivePlanner(), lambda t: True)
    assert end(session).ruling is Ruling.BASELINE_BROKEN
    assert all(e.trial.arm.additions in (frozenset(), experiment(6).full) for e in session.judged)


def test_a_flaky_baseline_is_told_with_the_repeats_it_would_take() -> None:
    session = play(experiment(6), AdaptivePlanner(), lambda t: t.seed % 3 == 1)
    found = end(session)
    assert found.ruling is Ruling.BASELINE_FLAKY
    assert len(session.of(Purpose.BASELINE)) == 12
    assert f"about {repeats_needed(1 / 3, 0.99)} seeds" in found.because
    assert not found.ruling.decided


def test_a_baseline_that_fails_once_in_many_is_only_looked_at_longer() -> None:
    session = play(
        experiment(6),
        AdaptivePlanner(),
        lambda t: "a1" in t.arm.additions or (t.seed == 1 and not t.arm.additions),
    )
    assert len(session.of(Purpose.BASELINE)) == 6
    assert end(session).culprits == (frozenset({"a1"}),)


def test_a_baseline_that_fails_twice_in_six_by_chance_does_not_end_the_search() -> None:
    session = play(
        experiment(6),
        AdaptivePlanner(),
        lambda t: "a1" in t.arm.additions or (t.seed in (1, 4) and not t.arm.additions),
    )
    assert len(session.of(Purpose.BASELINE)) == 12
    assert end(session).culprits == (frozenset({"a1"}),)


CRASH = Verdict(Outcome.BROKEN, 1.0, Signature(Symptom.CRASH, "KeyError in model.py:build"))


def crashing(needy: str) -> Callable[[Trial], Verdict]:
    """a2 breaks training; `needy` crashes without a5, which nobody has declared."""

    def verdict(trial: Trial) -> Verdict:
        on = trial.arm.additions
        if needy in on and "a5" not in on:
            return CRASH
        return BROKEN if "a2" in on else HEALTHY

    return verdict


def test_an_innocent_addition_that_crashes_without_another_is_neither_blamed_nor_in_the_way() -> (
    None
):
    session = play(experiment(8, LR), AdaptivePlanner(), having("a2"), judge=crashing("a4"))
    assert end(session).culprits == (frozenset({"a2"}),)
    assert sum(e.verdict == CRASH for e in session.judged) <= 6
    assert session.spent <= 30


def test_a_culprit_that_crashes_alone_ends_the_search_with_what_cannot_be_told_apart() -> None:
    session = play(experiment(8, LR), AdaptivePlanner(), having("a2"), judge=crashing("a2"))
    found = end(session)
    assert all("a2" in c for c in found.culprits)
    assert {s.culprits for s in found.ranked[:2]} == {
        (frozenset({"a2"}),),
        (frozenset({"a2", "a5"}),),
    }
    assert session.spent <= 40


def test_lost_runs_are_tried_again_on_the_same_seed_and_change_no_verdict() -> None:
    session = play(
        experiment(8, LR), AdaptivePlanner(), having("a5"), lose=lambda t: t.number % 3 == 0
    )
    assert end(session).culprits == (frozenset({"a5"}),)
    for judged in session.judged:
        if judged.verdict.outcome is Outcome.UNRESOLVED:
            again = seat(session, judged.trial.arm, judged.trial.seed)
            assert again.attempts == 2
            assert again.resolved


def test_a_baseline_that_can_never_be_judged_ends_the_search_without_a_verdict() -> None:
    asked = experiment(4)
    session = Session(asked)
    for _ in range(50):
        decision = steer(session, 4, (reproduce,))
        if decision is None or decision.record:
            break
        for trial in decision.ask:
            session = session.add(Launched(trial, "-")).add(Judged(trial, LOST, 1.0))
    assert decision is not None
    assert isinstance(decision.record, Concluded)
    assert decision.record.ruling is Ruling.INCONCLUSIVE
    baseline = [e for e in session.judged if e.trial.arm == Arm() and e.trial.seed == 0]
    assert len(baseline) == 1 + asked.budget.retries


def test_a_set_that_is_always_lost_is_given_up_and_a_spent_budget_asks_for_no_other_attempt() -> (
    None
):
    def judge(trial: Trial) -> Verdict:
        return LOST if "a0" in trial.arm.additions else HEALTHY

    session = play(experiment(1), AdaptivePlanner(), having("a0"), judge=judge)
    assert end(session).ruling is Ruling.INCONCLUSIVE
    assert session.spent < session.experiment.budget.trials
    few = play(experiment(6, trials=8), AdaptivePlanner(), having("a0"), judge=judge)
    assert end(few).ruling is Ruling.INCONCLUSIVE


def test_interrupted_runs_cost_no_attempt_and_no_budget() -> None:
    session = Session(experiment(4, retries=0))
    stopped = replace(LOST, interrupted=True)
    want = Want(Arm(), 1, Purpose.BASELINE)
    for _ in range(5):
        (trial,) = missing(session, [want])
        session = session.add(Launched(trial, "-")).add(Judged(trial, stopped, 0.1))
    assert session.spent == 0
    assert missing(session, [want])


def test_a_spent_budget_ends_the_search_with_what_is_likeliest() -> None:
    session = play(experiment(12, trials=8), AdaptivePlanner(), having("a5"))
    found = end(session)
    assert found.ruling is Ruling.INCONCLUSIVE
    assert session.spent <= 8
    assert found.ranked


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, 3]))
def test_the_same_session_gives_the_same_next_step_wherever_it_was_cut(
    seed: int, slots: int
) -> None:
    rng = Random(seed)
    culprit = frozenset(rng.sample([f"a{i}" for i in range(5)], 1))
    planner = AdaptivePlanner()
    session = play(experiment(5), planner, lambda t: culprit <= t.arm.additions, slots)
    cut = rng.randrange(1, len(session.events))
    prefix = Session(session.experiment, session.events[:cut])
    phases = (reproduce, isolate(planner), confirm, sweep_lr, conclude(planner))
    fresh = (reproduce, isolate(AdaptivePlanner()), confirm, sweep_lr, conclude(AdaptivePlanner()))
    assert steer(prefix, slots, phases) == steer(prefix, slots, fresh)


def test_the_chance_of_passing_by_luck_falls_with_every_pass() -> None:
    assert chance_of_passing(1) == pytest.approx(0.4)
    assert chance_of_passing(6) < 0.01 < chance_of_passing(5)
    assert passes_needed(0.99) == 6
    assert repeats_needed(0.05, 0.99) < repeats_needed(0.3, 0.99)


def test_a_spent_budget_leaves_word_of_the_run_that_would_have_come_next() -> None:
    asked = experiment(12, trials=8)
    found = end(play(asked, AdaptivePlanner(), having("a1", "a6"), 1))
    assert found.ruling is Ruling.INCONCLUSIVE
    (next_set,) = found.upcoming
    assert next_set <= asked.names
    more = play(experiment(12, trials=9), AdaptivePlanner(), having("a1", "a6"), 1)
    assert more.launched[8].trial.arm == Arm(next_set)


def test_a_verdict_asks_for_nothing_more() -> None:
    assert end(play(experiment(6), AdaptivePlanner(), having("a3"))).upcoming == ()
