"""Whole searches by the real judge: noise accuses nobody, and what breaks now and then is found."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from bisector.model.evidence import Evidence, Exit
from bisector.model.session import Launched, Ruling, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Symptom
from bisector.plan.observations import observe


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "bench_judge.py"
    spec = spec_from_file_location("bench_judge", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_where_nothing_breaks_three_times_the_usual_noise_accuses_nobody(bench) -> None:
    row = bench.null_searches(40)
    assert row["accused"] == 0
    assert row["runs"] < 15


def test_a_failure_on_some_seeds_is_found_and_its_rate_is_told(bench) -> None:
    row = bench.intermittent_searches(4)
    assert row["right"] >= 3
    assert row["told"] >= row["right"] - 1


def test_the_rate_counts_every_run_that_the_culprit_is_on_in(bench) -> None:
    def train(trial: Trial) -> Evidence:
        return bench.scored(0.3 if "a2" in trial.arm.additions and trial.seed % 3 else 0.9)

    session = bench.search(bench.additions(6), train)
    runs = [e for e in session.judged if "a2" in e.trial.arm.additions]
    broken = sum(e.verdict.outcome is Outcome.BROKEN for e in runs)
    assert session.conclusion.ruling is Ruling.CULPRIT
    assert (
        f"a2 is intermittent: it breaks on {broken} of {len(runs)} seeds"
        in session.conclusion.because
    )


def test_a_culprit_that_always_breaks_is_not_called_intermittent(bench) -> None:
    session = bench.search(
        bench.additions(6), lambda t: bench.scored(0.3 if "a2" in t.arm.additions else 0.9)
    )
    assert session.conclusion.culprits == (frozenset({"a2"}),)
    assert "intermittent" not in session.conclusion.because


def test_one_failure_near_the_line_is_looked_at_again_before_anybody_is_suspected(bench) -> None:
    def train(trial: Trial) -> Evidence:
        unlucky = trial.purpose is Purpose.REPRODUCE and trial.seed == 0
        return bench.scored(0.873 if unlucky else 0.9 + 0.004 * (trial.seed % 3 - 1))

    session = bench.search(bench.additions(6), train)
    assert session.judged[3].verdict.outcome is Outcome.BROKEN
    assert session.conclusion.ruling is Ruling.NOTHING_BREAKS
    assert "trained on 7 of 8 seeds" in session.conclusion.because
    assert not session.of(Purpose.ISOLATE)
    assert len(session.of(Purpose.BASELINE)) == 2 * session.experiment.budget.repeats


@pytest.mark.parametrize(("unlucky", "ruling"), [(1, Ruling.INTERACTION), (9, Ruling.CULPRIT)])
def test_a_part_of_a_culprit_that_breaks_once_is_looked_at_again(bench, unlucky, ruling) -> None:
    broke = []

    def train(trial: Trial) -> Evidence:
        on = trial.arm.additions
        begun = broke or trial.purpose is Purpose.CONFIRM
        chance = begun and on == {"a2"} and len(broke) < unlucky
        if chance:
            broke.append(trial)
        return bench.scored(0.3 if chance or {"a2", "a3"} <= on else 0.9)

    session = bench.search(bench.additions(6), train)
    assert broke
    assert session.conclusion.ruling is ruling


def test_the_end_tells_the_effect_its_interval_and_the_seeds_a_smaller_one_would_take(
    bench,
) -> None:
    spread = (0.9, 0.93, 0.87, 0.91, 0.89, 0.9)
    session = bench.search(bench.additions(4), lambda t: bench.scored(spread[t.seed % 6]))
    said = session.conclusion.because
    assert session.conclusion.ruling is Ruling.NOTHING_BREAKS
    assert "99% interval" in said
    assert "telling a harm of 0.02 from none would take about" in said


def test_harm_that_only_the_seeds_spread_hides_makes_the_baseline_flaky(bench) -> None:
    spread = (0.9, 0.95, 0.85, 0.93, 0.87, 0.9)
    session = bench.search(
        bench.additions(4),
        lambda t: bench.scored(spread[t.seed % 6] - 0.06 * bool(t.arm.additions)),
    )
    assert session.conclusion.ruling is Ruling.BASELINE_FLAKY
    assert "seeds an arm" in session.conclusion.because
    assert not session.conclusion.culprits


def test_an_arm_that_fails_another_way_than_everything_on_cannot_be_judged(bench) -> None:
    def train(trial: Trial) -> Evidence:
        on = trial.arm.additions
        if "a4" in on and "a5" not in on:
            return Evidence(
                Exit.CRASHED, log_tail="Traceback (most recent call last):\nKeyError: 1"
            )
        return bench.scored(0.3 if "a2" in on else 0.9)

    session, left = Session(bench.additions(6)), {}
    for number, on in enumerate(
        [(), (), (), session.experiment.full, {"a4"}, {"a2"}, {"a2", "a4"}]
    ):
        purpose = Purpose.ISOLATE if on else Purpose.BASELINE
        trial = Trial(number, Arm(frozenset(on)), number, purpose)
        session = session.add(Launched(trial, ""))
        session = session.add(bench.judged(session, trial, train, left))
    seen = observe(session)
    assert seen.unresolved == (frozenset({"a4"}), frozenset({"a2", "a4"}))
    assert [s.symptom for s in seen.others] == [Symptom.CRASH]
    assert seen.count(frozenset({"a2"})) == (1, 0)


def test_healthy_and_broken_curves_are_told_apart_in_time(bench) -> None:
    rows = {row["curve"]: row for row in bench.early_stops(3) if row["readings"] == 40}
    assert all(row["falsely_stopped"] == 0 for row in rows.values())
    assert rows["never learns"]["stopped"] == 3
    assert rows["never learns"]["saved"] > 0.5


def test_where_the_seeds_spread_could_hide_anything_the_baseline_is_called_flaky(bench) -> None:
    session = bench.search(
        bench.additions(4), lambda t: bench.scored(0.2 if t.seed % 3 == 1 else 0.9)
    )
    assert session.conclusion.ruling is Ruling.BASELINE_FLAKY
    assert "seeds an arm" in session.conclusion.because


def test_a_small_harm_is_told_with_its_interval_and_as_not_worth_acting_on(bench) -> None:
    spread = (0.0, 0.002, -0.002, 0.001, -0.001, 0.0)
    session = bench.search(
        bench.additions(4),
        lambda t: bench.scored(0.9 + spread[t.seed % 6] - 0.006 * bool(t.arm.additions)),
    )
    found = session.conclusion
    assert found.ruling is Ruling.NOTHING_BREAKS
    assert found.effect.negligible
    assert found.effect.low < 0.006 < found.effect.high < 0.02
    assert "below the 0.02 worth acting on" in found.because
