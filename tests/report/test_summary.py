"""The summary: what every report says, ruling by ruling."""

import json
from dataclasses import fields, replace

import pytest
import report_sessions as rs

from bisector.model.experiment import Budget, Direction, Find, Metric
from bisector.model.session import Dormant, Effect, LrEffect, LrVerdict, Ruling, Session, Suspect
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Symptom
from bisector.report.advice import Places
from bisector.report.as_json import KEYS, as_json
from bisector.report.summary import Summary, summarise

FOCAL = rs.some("focal")


def told(script: rs.Script, **more: object) -> Summary:
    return summarise(script.session, **more)  # type: ignore[arg-type]


def concluded(ruling: Ruling, *culprits: frozenset[str], **more: object) -> Summary:
    script = rs.Script()
    rs.opening(script)
    script.conclude(ruling, *culprits, **more)
    return told(script)


def test_a_culprit_is_named_with_its_certainty_and_what_the_learning_rates_said() -> None:
    summary = told(rs.one_culprit())
    assert summary.sentence == (
        "`focal` breaks training (99.4 % sure): broken at every learning rate tried (x0.1, x1, x10)."
    )
    assert summary.decided
    assert "The baseline trained in 3 of 3 runs (score 0.9763)." in summary.reasons
    assert "Everything but `focal` trained in 2 of 2 runs (score 0.9680)." in summary.paragraph


def test_an_interaction_says_that_neither_half_breaks_alone() -> None:
    summary = told(rs.pair())
    assert summary.sentence.startswith("`focal` and `mixup` break training only together (99.4 %")
    assert (
        summary.steps[0].text
        == "Leave out one of `focal` or `mixup`; everything but `focal` trains, switched on by:"
    )


def test_a_culprit_that_needs_another_learning_rate_comes_with_the_overrides() -> None:
    summary = told(rs.needs_lr())
    assert "needs another learning rate" in summary.sentence
    assert "trains at x0.1" in summary.sentence
    assert summary.steps[0].paste == "recipe.focal=on recipe.optimizer.lr=0.001"


def test_the_learning_rate_that_an_addition_sets_itself_is_the_one_scaled() -> None:
    script = rs.needs_lr()
    own = [
        replace(a, overrides=("recipe.optimizer.lr=0.5",)) if a.name == "focal" else a
        for a in script.experiment.additions
    ]
    experiment = replace(script.experiment, additions=tuple(own))
    summary = summarise(replace(script.session, experiment=experiment))
    assert summary.steps[0].paste == "recipe.optimizer.lr=0.05"


@pytest.mark.parametrize(
    ("ruling", "culprits", "words"),
    [
        (Ruling.SEVERAL, [FOCAL, rs.some("wide")], "2 culprits, each of which breaks training"),
        (Ruling.CUMULATIVE, [FOCAL], "No single culprit"),
        (Ruling.BASELINE_BROKEN, [], "baseline itself is broken"),
        (Ruling.BASELINE_FLAKY, [], "disagree too much"),
        (Ruling.NOTHING_BREAKS, [], "Nothing breaks training"),
        (Ruling.INCONCLUSIVE, [], "budget was spent after 4 runs"),
    ],
)
def test_every_other_ruling_has_its_own_words_and_a_next_step(
    ruling: Ruling, culprits: list[frozenset[str]], words: str
) -> None:
    summary = concluded(ruling, *culprits)
    assert words in summary.sentence
    assert summary.steps
    assert summary.decided is ruling.decided


@pytest.mark.parametrize("ruling", Ruling)
def test_no_ruling_lacks_a_sentence(ruling: Ruling) -> None:
    assert concluded(ruling).sentence.endswith(".")


def test_culprits_of_several_members_are_told_apart() -> None:
    summary = concluded(Ruling.SEVERAL, FOCAL, rs.some("deep", "wide"))
    assert summary.sentence.endswith("`focal`; `deep` with `wide`.")


def test_a_spent_budget_tells_the_likeliest_what_is_ruled_out_and_what_would_come_next() -> None:
    summary = told(rs.spent(), upcoming=(rs.some("focal", "deep"),))
    assert "likeliest is `focal` (62 %)" in summary.sentence
    assert "norm" in summary.cleared
    assert "wide" not in summary.cleared
    assert any(r.startswith("Ruled out (at most 5 % each): `cutout`") for r in summary.reasons)
    assert [s.paste for s in summary.steps] == ["bisect run conf=digits budget.trials=120", ""]
    assert summary.steps[1].text == "The next run would be `deep+focal`."


def test_belief_that_the_ranking_leaves_untold_clears_nobody() -> None:
    script = rs.Script()
    rs.opening(script)
    summary = told(script, ranked=(Suspect((FOCAL,), 0.5),))
    assert summary.cleared == ()


def test_an_interrupted_search_says_how_to_go_on() -> None:
    script = rs.Script()
    rs.opening(script)
    summary = told(script, ranked=rs.RANKED, places=Places(run="bisect run conf=mine x=1"))
    assert summary.ruling is None
    assert summary.sentence == "No verdict yet after 4 runs; likeliest is `focal` (99.4 %)."
    assert summary.steps[0].paste == "bisect run conf=mine x=1"


def test_a_session_without_a_single_run_can_be_summed_up() -> None:
    summary = summarise(Session(rs.experiment()))
    assert summary.sentence == "No verdict yet after 0 runs."
    assert summary.arms == ()


def test_the_evidence_counts_outcomes_and_measures_harm_in_the_metric_s_direction() -> None:
    script = rs.Script(rs.experiment(metric=Metric(name="val_loss", direction=Direction.MINIMIZE)))
    script.run(Arm(), Purpose.BASELINE, rs.trained(0.5), 0)
    script.run(Arm(), Purpose.BASELINE, rs.trained(0.7), 1)
    script.run(Arm(FOCAL), Purpose.ISOLATE, rs.broke(1.6), 0)
    script.run(Arm(FOCAL), Purpose.ISOLATE, rs.lost(), 1)
    baseline, focal = told(script).arms
    assert (baseline.harm, baseline.seeds, baseline.healthy) == (None, (0, 1), 2)
    assert focal.harm == pytest.approx(1.0)
    assert (focal.broken, focal.unresolved, focal.symptom) == (1, 1, "diverged")


def test_the_learning_rate_table_holds_every_multiplier_and_the_plain_arm() -> None:
    assert [r.arm.lr_scale for r in told(rs.one_culprit()).lr] == [0.1, 1.0, 10.0]


def test_the_cost_counts_time_steps_saved_and_runs_done_again() -> None:
    cost = told(rs.one_culprit()).cost
    assert (cost.launched, cost.judged, cost.retries) == (17, 17, 1)
    assert cost.training_seconds == cost.wall_seconds == 68.0
    assert cost.steps_saved == cost.early * 330
    # At the pace of whole runs: 450 steps in 4 s.
    assert cost.seconds_saved == pytest.approx(cost.early * 330 * 4.0 / 450)


def test_a_training_that_does_not_say_its_length_has_that_of_a_whole_run() -> None:
    script = rs.Script()
    script.run(Arm(), Purpose.BASELINE, replace(rs.trained(), planned=0))
    script.run(Arm(FOCAL), Purpose.ISOLATE, replace(rs.broke(), planned=0))
    assert told(script).cost.steps_saved == 330


def test_the_time_in_which_a_search_lay_still_is_told_apart() -> None:
    script = rs.Script()
    rs.opening(script)
    script.now += 3600
    script.run(Arm(FOCAL), Purpose.ISOLATE, rs.broke())
    cost = told(script).cost
    assert cost.wall_seconds == 3620
    assert cost.idle_seconds == 3600


def test_failures_of_another_cause_are_reported_and_strengths_of_the_same_one_are_not() -> None:
    (other,) = told(rs.one_culprit()).others
    assert (other.symptom, other.detail) == ("crash", "ValueError in deep.py:forward")
    assert other.arms == ("deep+norm",)
    assert not other.counted


def test_runs_that_could_not_be_judged_are_grouped_by_reason() -> None:
    (lost,) = told(rs.one_culprit()).unjudged
    assert lost.because == "the run was not finished: killed"
    assert lost.trials == (4,)


def test_a_dormant_culprit_is_named() -> None:
    found = Dormant(rs.some("wide"), rs.some("norm"), 0.97)
    summary = concluded(Ruling.CULPRIT, FOCAL, dormant=(found,))
    assert (
        "`wide` would break training too (97.0 % sure), but `norm` keeps it harmless while everything is on."
    ) in summary.reasons
    assert as_json(summary)["dormant"] == [
        {"culprit": ["wide"], "rescuers": ["norm"], "probability": 0.97}
    ]


def effect(low: float, high: float) -> Effect:
    return Effect(arm=frozenset(rs.NAMES), harm=(low + high) / 2, low=low, high=high, confidence=0.99, sd=0.01, worth=0.02)  # fmt: skip


def test_what_is_not_worth_acting_on_is_a_verdict_with_its_interval() -> None:
    summary = concluded(Ruling.NOTHING_BREAKS, effect=effect(0.001, 0.015))
    assert summary.sentence == (
        "Nothing breaks training: no effect worth acting on (99.4 % sure); the harm is 0.008 "
        "(99.0 % interval 0.001 to 0.015), and 0.02 would be worth acting on."
    )
    assert summary.decided
    told = as_json(summary)["effect"]
    assert (told["low"], told["high"], told["worth"]) == (0.001, 0.015, 0.02)


def test_a_harm_that_may_be_worth_acting_on_is_not_called_negligible() -> None:
    summary = concluded(Ruling.NOTHING_BREAKS, effect=effect(-0.001, 0.03))
    assert "no effect" not in summary.sentence
    assert "interval -0.001 to 0.03" in summary.sentence


def test_what_was_merely_likeliest_is_nobody_s_guilt() -> None:
    summary = concluded(Ruling.INCONCLUSIVE, FOCAL, ranked=rs.RANKED[:1])
    assert summary.culprits == ()
    assert as_json(summary)["culprits"] == []
    assert "likeliest is `focal`" in summary.sentence


def test_a_learning_rate_that_was_not_varied_is_said_to_be_so() -> None:
    lr = (LrVerdict(FOCAL, LrEffect.NOT_SWEPT, because="the experiment names no lr.key"),)
    summary = concluded(Ruling.CULPRIT, FOCAL, lr=lr)
    assert "every learning rate" not in summary.sentence
    assert any("was not varied (the experiment names no lr.key)" in r for r in summary.reasons)


def test_a_search_for_the_first_culprit_offers_to_look_for_others() -> None:
    script = rs.Script(rs.experiment(find=Find.FIRST))
    rs.opening(script)
    script.conclude(Ruling.CULPRIT, FOCAL)
    assert told(script).steps[-1].paste == "bisect run conf=digits find=all"


def test_the_log_of_a_broken_run_of_the_culprit_is_where_the_run_directory_is() -> None:
    steps = told(rs.one_culprit(), places=Places(home="out/my runs")).steps
    assert steps[-1].paste == "less 'out/my runs/runs/013/log.txt'"


def test_a_sweep_names_the_best_setting() -> None:
    script = rs.Script(rs.experiment(metric=Metric(name="val_acc")))
    for k, score in enumerate((0.7, 0.9, 0.8)):
        script.run(Arm(tweaks=(f"recipe.width={2**k}",)), Purpose.SWEEP, rs.trained(score))
    script.conclude(Ruling.SWEPT)
    assert told(script).sentence == (
        "The baseline with `recipe.width=2` is the best of 3 settings (val_acc 0.9000)."
    )


def test_certainty_is_never_rounded_to_a_hundred_percent() -> None:
    assert "(over 99.9 % sure)" in concluded(Ruling.CULPRIT, FOCAL, confidence=1.0).sentence


def test_names_cannot_bring_control_characters_or_markup_of_their_own() -> None:
    hostile = "a`b\x1b[31m\nc"
    script = rs.Script(rs.experiment((hostile, "plain")))
    rs.opening(script)
    script.run(
        Arm(rs.some(hostile)), Purpose.ISOLATE, rs.broke(None, Symptom.CRASH, "\x1b]0;x\x07")
    )
    script.conclude(Ruling.CULPRIT, rs.some(hostile), because="\x1b[2J gone")
    summary = told(script)
    text = json.dumps(as_json(summary), ensure_ascii=False)
    words = " ".join(
        [summary.sentence, *summary.reasons, *(r.name + r.detail for r in summary.arms)]
    )
    assert words.isprintable()
    assert summary.sentence.startswith("`a'b [31m c` breaks")
    assert json.loads(text)["culprits"] == [[hostile]]


@pytest.mark.parametrize("script", [rs.one_culprit, rs.needs_lr, rs.pair, rs.spent, rs.Script])
def test_the_json_has_exactly_the_documented_keys(script: object) -> None:
    told_json = as_json(summarise(script().session))  # type: ignore[operator]
    assert set(told_json) == set(KEYS)
    assert json.loads(json.dumps(told_json, allow_nan=False)) == told_json


def test_every_field_of_the_summary_is_in_the_json() -> None:
    apart = {"end"}  # of which the JSON has the parts
    assert {f.name for f in fields(Summary)} - apart <= set(KEYS)


def test_where_no_run_would_tell_more_no_budget_is_offered() -> None:
    script = rs.Script(rs.experiment())
    rs.opening(script)
    script.conclude(Ruling.INCONCLUSIVE, because="nothing more can be learned")
    summary = told(script)
    assert "more of them would not tell" in summary.sentence
    assert "`requires`" in summary.steps[0].text
    assert not any("budget" in s.paste for s in summary.steps)


def test_a_larger_budget_is_offered_in_proportion() -> None:
    script = rs.Script(rs.experiment(budget=Budget(trials=7)))
    rs.opening(script)
    script.conclude(Ruling.INCONCLUSIVE)
    assert told(script).steps[0].paste.endswith(" budget.trials=14")


def test_nobody_is_called_likeliest_while_nobody_stands_out() -> None:
    script = rs.Script()
    rs.opening(script)
    even = tuple(Suspect((rs.some(n),), 0.1) for n in rs.NAMES)
    assert told(script, ranked=even).sentence == (
        "No verdict yet after 4 runs; no explanation stands out."
    )


def test_harm_is_not_said_twice_where_the_symptom_is_the_harm() -> None:
    script = rs.Script()
    rs.opening(script, rs.broke(0.1, Symptom.WORSE))
    assert "Everything on broke in 1 of 1 run (score 0.1000, 0.8763 worse than the baseline)." in (
        told(script).reasons
    )
