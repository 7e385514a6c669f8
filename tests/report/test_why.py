"""Why what was convicted fails: the same words in every report."""

import json

from bisector.model.evidence import Evidence, Exit
from bisector.model.experiment import Addition, Experiment
from bisector.model.finding import Finding, Reason, Remedy, Severity, Stage, Status, Unlooked
from bisector.model.session import (
    Accused,
    Concluded,
    Explained,
    Judged,
    Launched,
    Opened,
    Ruling,
    Session,
    Suspect,
)
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.report.arms import arm_name
from bisector.report.as_json import as_json
from bisector.report.html import render
from bisector.report.lines import event_line, summary_lines
from bisector.report.markdown import markdown
from bisector.report.summary import summarise
from bisector.report.why import reason_in_brief, sentences, whys

MEND = ("recipe.clip=1.0",)
CULPRIT = frozenset({"deep"})


def finding(check: str, title: str) -> Finding:
    return Finding(
        check=check,
        reason=check,
        title=title,
        severity=Severity.WARNING,
        stage=Stage.RUN,
        summary="The norm <grows> from 1 to 900.",
        evidence={"steps": [1, 2], "worst": float("inf")},
        crossing=None,
        remedy=Remedy("Clip it."),
    )


def explained() -> Explained:
    proved = Reason(
        finding=finding("R35", "exploding gradients"),
        status=Status.PROVED,
        because="told to clip, it trained on 2 of 2 seeds",
        mend=MEND,
    )
    return Explained(
        CULPRIT,
        (
            proved,
            Reason(finding=finding("R21", "another metric"), status=Status.SUSPECTED),
            Reason(finding=finding("R12", "unscaled inputs"), status=Status.REFUTED),
        ),
        (Unlooked("R01a", "x", "needs the samples' inputs"),),
    )


def session() -> Session:
    additions = (
        Addition(name="deep", overrides=("recipe.depth=9",)),
        Addition(name="wide", overrides=("recipe.width=9",)),
    )
    experiment = Experiment(
        name="t",
        additions=additions,
        variants={"clip-gradients": MEND, "tiny-set": ("recipe.n={n}",)},
    )
    trial = Trial(0, Arm(CULPRIT, MEND), 0, Purpose.TRY_REMEDY)
    broken = Trial(1, Arm(CULPRIT), 0, Purpose.CONFIRM)
    events = (
        Opened(experiment, {}, "f", "0", at=1.0),
        Launched(trial, "-", at=2.0),
        Judged(trial, Verdict(Outcome.HEALTHY, 0.0, score=0.9), 1.0, at=3.0),
        Launched(broken, "-", at=4.0),
        Judged(broken, Verdict(Outcome.BROKEN, 1.0, Signature(Symptom.WORSE)), 1.0, at=5.0),
        Accused(Suspect((CULPRIT,), 0.99), "so", 1, at=6.0),
        explained(),
        Concluded(Ruling.CULPRIT, (CULPRIT,), 0.99, "so", at=7.0),
    )
    return Session(experiment, events)


def test_the_reason_that_is_proved_comes_first_and_a_refuted_one_is_not_claimed() -> None:
    told = summarise(session()).paragraph
    assert "Why `deep` alone fails: R35 exploding gradients (proved: told to clip" in told
    assert "Also seen of `deep` alone: R21 another metric (suspected)." in told
    assert "R12" not in told
    assert reason_in_brief(session()) == "R35 exploding gradients (proved)"


def test_the_mend_is_offered_to_be_pasted_unless_it_only_undoes_the_addition() -> None:
    pastes = [s.paste for s in summarise(session()).steps]
    assert "recipe.depth=9 recipe.clip=1.0" in pastes
    undoing = Reason(
        finding=finding("R24", "depth"), status=Status.PROVED, mend=("recipe.depth=1",)
    )
    events = (*session().events[:-2], Explained(CULPRIT, (undoing,)), session().events[-1])
    again = summarise(Session(session().experiment, events))
    assert not [s for s in again.steps if "mended" in s.text]
    assert "Or mend `deep`: Clip it." in [s.text for s in again.steps]


def test_the_standard_loss_is_no_mend_of_what_adds_a_loss_and_nothing_else() -> None:
    swap = ("++recipe.trainer.alter.loss=true",)
    for overrides, offered in ((("recipe/loss=own",), 0), (("recipe/loss=own", "recipe.lr=1"), 1)):
        experiment = Experiment(
            name="t",
            additions=(Addition(name="deep", overrides=overrides),),
            variants={"standard-loss": swap},
        )
        reason = Reason(finding=finding("R18", "a loss"), status=Status.PROVED, mend=swap)
        events = (*session().events[:-2], Explained(CULPRIT, (reason,)), session().events[-1])
        steps = summarise(Session(experiment, events)).steps
        assert len([s for s in steps if "mended" in s.text]) == offered


def test_a_baseline_that_disagrees_with_itself_is_told_to_be_mended_where_a_reason_is_known() -> (
    None
):
    seen = Explained(
        frozenset(), (Reason(finding=finding("R24", "narrow"), status=Status.SUSPECTED),)
    )
    for known, advice in (((seen,), "Mend the baseline first"), ((), "Train longer")):
        flaky = Concluded(Ruling.BASELINE_FLAKY, (), 0.5, "so", at=7.0)
        events = (*session().events[:5], *known, flaky)
        step, _ = summarise(Session(session().experiment, events)).steps
        assert step.text.startswith(advice)
        assert step.text.endswith("Clip it." if known else "agree.")


def test_every_report_has_all_the_reasons_and_what_could_not_be_looked_at() -> None:
    found = session()
    summary = summarise(found)
    page = render(found, summary, lambda _: Evidence(Exit.CLEAN))
    assert "The norm &lt;grows&gt;" in page
    assert "needs the samples&#39; inputs" in page
    for text in (page, markdown(summary)):
        assert all(word in text for word in ("R35", "R21", "R12", "refuted", "recipe.clip=1.0"))
    machine = json.loads(json.dumps(as_json(summary), allow_nan=False))
    assert [r["status"] for r in machine["why"][0]["reasons"]] == ["proved", "suspected", "refuted"]
    assert machine["why"][0]["reasons"][0]["finding"]["evidence"]["worst"] is None
    assert any("R35" in line.text for line in summary_lines(summary, 80))
    assert event_line(found, explained()).text.startswith("why deep fails: R35")


def test_a_change_is_called_by_its_name_and_not_by_its_overrides() -> None:
    asked = session().experiment
    assert arm_name(asked, Arm(CULPRIT, MEND)) == "deep clip-gradients"
    assert arm_name(asked, Arm(frozenset(), ("recipe.n=0.01",))) == "baseline tiny-set 0.01"
    assert arm_name(asked, Arm(frozenset(), ("recipe.n=x",))) == "baseline recipe.n=x"


def test_where_no_reason_stands_it_is_said_with_what_was_denied_and_could_not_look() -> None:
    denied = Reason(finding=finding("R31", "a loss that still falls"), status=Status.REFUTED)
    blind = tuple(Unlooked(c, "", "a command shows no parts") for c in ("R01a", "R12"))
    told = Explained(CULPRIT, (denied,), blind)
    (why,) = whys(Session(Experiment(name="t", additions=()), (told,)))
    (said,) = sentences([why])
    assert said.endswith(
        "is not known: what was suspected is not it: R31 a loss that still falls (refuted); 2 checks"
        " could not look, and the report says what they would need."
    )
