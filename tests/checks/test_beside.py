"""What a run lacks beside a baseline that trains: steps, or room in the network."""

from typing import Any

import pytest

from bisector.checks.run_beside import fewer_steps, much_smaller, other_optimizer
from bisector.model.finding import Case, Clue

FALLS = [2.3, 1.0, 0.4, 0.1]


def facts(steps: int, loss: list[float], values: int = 10_000, **course: Any) -> dict[str, Any]:
    return {
        "passes": {"steps": steps, "ended": True},
        "parameters": {"values": values},
        "course": {"planned": 0, "cut_short": False, "loss": loss} | course,
    }


def shorter(run: dict[str, Any], baseline: dict[str, Any]) -> Clue | None:
    return fewer_steps.look(Case(run, {"share": 0.8}, healthy=baseline))


def smaller(run: dict[str, Any], baseline: dict[str, Any]) -> Clue | None:
    return much_smaller.look(Case(run, {"share": 0.25, "loss": 2.0}, healthy=baseline))


def test_another_optimizer_than_the_baseline_s_is_told_by_both_names() -> None:
    run, baseline = ({"handed": {"optimizer": n}} for n in ("Rprop", "AdamW"))
    clue = other_optimizer.look(Case(run, healthy=baseline))
    assert clue is not None
    assert clue.summary == "It is Rprop, and the baseline's is AdamW."
    assert other_optimizer.look(Case(run, healthy=run)) is None
    assert other_optimizer.look(Case(run)) is None


def test_a_run_that_ends_before_the_baseline_is_told_with_both_numbers_of_steps() -> None:
    clue = shorter(facts(30, FALLS[:2]), facts(240, FALLS))
    assert clue is not None
    assert "30 steps, and the baseline 240" in clue.summary
    assert clue.evidence["baseline_steps"] == 240


@pytest.mark.parametrize(
    "run",
    [facts(240, FALLS), facts(30, FALLS, cut_short=True), facts(30, FALLS, planned=240)],
    ids=["as long", "stopped by the search", "stopped on its way"],
)
def test_a_run_that_is_as_long_or_was_stopped_is_not_called_short(run: dict[str, Any]) -> None:
    assert shorter(run, facts(240, FALLS)) is None


def test_a_length_that_nobody_can_be_held_to_says_nothing() -> None:
    assert fewer_steps.look(Case(facts(30, FALLS), {"share": 0.8})) is None


def test_a_small_network_whose_loss_stays_up_is_told_with_both_sizes() -> None:
    clue = smaller(facts(240, [2.3, 2.0, 1.9, 1.8], values=300), facts(240, FALLS))
    assert clue is not None
    assert "300 parameters, and the baseline 10,000" in clue.summary


@pytest.mark.parametrize(
    "run", [facts(240, FALLS, values=300), facts(240, [2.3, 2.0, 1.9, 1.8], values=9_000)],
    ids=["it learns", "it is no smaller"],
)  # fmt: skip
def test_a_small_network_that_learns_and_a_large_one_that_does_not_are_left_alone(
    run: dict[str, Any],
) -> None:
    assert smaller(run, facts(240, FALLS)) is None
