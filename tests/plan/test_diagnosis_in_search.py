"""Looking, mending and explaining inside whole searches, played out in memory: no process."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bisector.cli.assemble import search_phases
from bisector.journal import Journal
from bisector.model.experiment import Addition, Budget, Experiment, Inspection, LearningRate
from bisector.model.finding import Diagnosis, Finding, Remedy, Severity, Stage, Status
from bisector.model.session import Diagnosed, Explained, Judged, Launched, Opened, Ruling, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.variant import Variant
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.ladder import climb
from bisector.plan.phases import steer
from bisector.ports import Look

HEALTHY = Verdict(Outcome.HEALTHY, 0.01, score=0.95)
BROKEN = Verdict(Outcome.BROKEN, 0.99, Signature(Symptom.WORSE), score=0.1)
LOST = Verdict(Outcome.UNRESOLVED, 0.5, retry=True)
SHUFFLE = ("recipe.shuffle=true",)
UNWATCHED = Inspection(watch=False)

Diagnose = Callable[[Look], Diagnosis]


def finding(reason: str, severity: Severity = Severity.WARNING, *, shared: bool = False) -> Finding:
    return Finding(
        check=reason,
        reason=reason,
        title=f"{reason} happens",
        severity=severity,
        stage=Stage.DATA,
        summary="it was seen",
        evidence={},
        crossing=None,
        remedy=Remedy("Mend it."),
        shared=shared,
    )


def sees(*found: Finding, of: str = "a1") -> Diagnose:
    """Checks that find something wherever an addition is on; `of` empty: in the baseline."""
    return lambda look: Diagnosis(found if of in look.additions or not of else ())


def asked(**more: object) -> Experiment:
    additions = tuple(Addition(name=f"a{i}", overrides=(f"recipe.a{i}=1",)) for i in range(4))
    given = {"variants": {Variant.SHUFFLE: SHUFFLE}, "inspect": UNWATCHED} | more
    return Experiment(name="t", additions=additions, **given)


def play(
    experiment: Experiment,
    breaks: Callable[[Trial], bool],
    diagnose: Diagnose = lambda look: Diagnosis(),
    *,
    blind: str = "",
    begun: Session | None = None,
    lose: tuple[int, ...] = (),
) -> Session:
    """Run a search to its end, or go on with one that has begun."""
    phases = search_phases(AdaptivePlanner(), blind, unseen=blind)
    session = begun or Session(experiment, (Opened(experiment, {}, "f", "0"),))
    while not session.conclusion:
        decision = steer(session, 2 - len(session.running), phases)
        assert decision is not None
        if decision.record:
            session = session.add(decision.record)
        if look := decision.look:
            session = session.add(
                Diagnosed(look.additions, diagnose(look), look.trials, look.beside)
            )
        for trial in decision.ask:
            session = session.add(Launched(trial, "-"))
        if session.running and not (decision.ask or decision.record or decision.look):
            trial = session.running[0].trial
            broken = trial.arm.trained and breaks(trial)
            verdict = LOST if trial.number in lose else BROKEN if broken else HEALTHY
            session = session.add(Judged(trial, verdict, 1.0))
    return session


def culprit(trial: Trial) -> bool:
    return "a1" in trial.arm.additions


def culprit_unless_shuffled(trial: Trial) -> bool:
    return culprit(trial) and trial.arm.tweaks != SHUFFLE


def trained(session: Session) -> list[tuple[Arm, int, Purpose]]:
    return [(e.trial.arm, e.trial.seed, e.trial.purpose) for e in session.started]


def test_a_finding_is_proved_when_the_culprit_trains_with_its_remedy_and_nothing_else() -> None:
    session = play(asked(), culprit_unless_shuffled, sees(finding("R05"), finding("R07")))
    (told,) = session.explained
    assert told.additions == {"a1"}
    first, second = told.reasons
    assert (first.finding.check, first.status, first.mend) == ("R07", Status.PROVED, SHUFFLE)
    assert "2 of 2 seeds" in first.because
    assert (second.finding.check, second.status) == ("R05", Status.SUSPECTED)
    runs = session.runs(Arm(frozenset({"a1"}), SHUFFLE))
    assert [e.trial.purpose for e in runs] == [Purpose.TRY_REMEDY] * 2
    assert session.conclusion.ruling is Ruling.CULPRIT


def test_a_finding_whose_remedy_does_not_help_is_refuted_by_one_run_and_comes_last() -> None:
    session = play(asked(), culprit, sees(finding("R07"), finding("R05")))
    (told,) = session.explained
    assert [(r.finding.check, r.status) for r in told.reasons] == [
        ("R05", Status.SUSPECTED),
        ("R07", Status.REFUTED),
    ]
    assert told.reasons[1].mend == ()
    assert len(session.of(Purpose.TRY_REMEDY)) == 1


def test_what_the_healthy_baseline_shows_as_well_is_no_reason_and_is_not_tried() -> None:
    session = play(asked(), culprit_unless_shuffled, sees(finding("R07", shared=True)))
    assert session.explained[0].reasons == ()
    assert not session.of(Purpose.TRY_REMEDY)


def test_no_remedy_is_tried_beyond_its_budget() -> None:
    session = play(asked(budget=Budget(remedies=0)), culprit, sees(finding("R07")))
    assert not session.of(Purpose.TRY_REMEDY)
    assert session.explained[0].reasons[0].status is Status.SUSPECTED


def test_a_remedy_that_is_a_learning_rate_uses_the_runs_of_the_sweep() -> None:
    lr = LearningRate(key="recipe.lr", value=0.5)
    session = play(
        asked(lr=lr), lambda t: culprit(t) and t.arm.lr_scale != 0.1, sees(finding("R36"))
    )
    reason = session.explained[0].reasons[0]
    assert (reason.status, reason.mend) == (Status.PROVED, ("recipe.lr=0.05",))


def test_looking_changes_no_run_and_no_number_but_the_trials() -> None:
    off = play(asked(inspect=Inspection(enabled=False)), culprit)
    on = play(asked(), culprit)
    assert trained(on) == trained(off)
    assert on.conclusion == off.conclusion
    assert on.spent == off.spent
    assert not [e for e in off.events if isinstance(e, Diagnosed | Explained)]


def test_the_baseline_and_everything_on_are_looked_at_before_the_first_run() -> None:
    session = play(asked(), culprit)
    first = [e.trial for e in session.launched[:3]]
    assert [(t.purpose, t.arm.trained) for t in first] == [
        (Purpose.INSPECT, False),
        (Purpose.INSPECT, False),
        (Purpose.BASELINE, True),
    ]
    seen = session.diagnosed(frozenset({"a1"}))
    assert seen is not None
    assert set(seen.trials) > set(), "its look, and a run of it"
    assert 0 in seen.beside


def test_a_workload_that_shows_nothing_is_asked_for_nothing_and_says_so() -> None:
    looks: list[Look] = []

    def diagnose(look: Look) -> Diagnosis:
        looks.append(look)
        return Diagnosis()

    session = play(asked(), culprit, diagnose, blind="a command")
    assert all(e.trial.arm.trained for e in session.launched)
    assert {look.blind for look in looks} == {"a command"}


def test_a_look_that_is_lost_is_taken_again() -> None:
    session = play(asked(), culprit, sees(finding("R05")), lose=(0,))
    assert len(session.runs(Arm(trained=False))) == 1
    assert session.conclusion.ruling is Ruling.CULPRIT


def test_a_fatal_fault_of_the_baseline_ends_the_search_before_any_run() -> None:
    fatal = sees(finding("R01", Severity.FATAL), of="")
    session = play(asked(), culprit, fatal)
    assert not session.started
    assert session.conclusion.ruling is Ruling.BASELINE_BROKEN
    assert "inspect.stop=false" in session.conclusion.because
    assert session.explained[0].reasons[0].finding.check == "R01"
    kept = play(asked(inspect=replace(UNWATCHED, stop=False)), culprit, fatal)
    assert kept.conclusion.ruling is Ruling.CULPRIT


def test_a_broken_baseline_is_diagnosed_and_the_change_that_mends_it_is_named() -> None:
    tiny = {Variant.TINY_SET: ("recipe.n={n}",), Variant.ADAMW: ("recipe.opt=adamw",)}
    session = play(
        asked(variants={Variant.SHUFFLE: SHUFFLE} | tiny),
        lambda t: t.arm.tweaks != ("recipe.opt=adamw",),
        sees(finding("R07"), of=""),
    )
    assert session.conclusion.ruling is Ruling.BASELINE_BROKEN
    (told,) = session.explained
    assert told.additions == frozenset()
    assert (told.reasons[0].finding.check, told.reasons[0].status) == ("R34", Status.PROVED)
    assert told.reasons[0].mend == ("recipe.opt=adamw",)
    assert told.reasons[-1].status is Status.REFUTED
    assert not any("recipe.n=2" in e.trial.arm.tweaks for e in session.started), "mended: no ladder"


def test_where_nothing_mends_a_baseline_the_ladder_names_its_first_broken_rung() -> None:
    session = play(
        asked(variants={Variant.TINY_SET: ("recipe.n={n}",)}),
        lambda t: t.arm.tweaks not in {("recipe.n=2",), ("recipe.n=4",)},
    )
    (told,) = session.explained
    (ladder,) = [r for r in told.reasons if r.finding.check == "B5"]
    assert "the first rung that breaks is 8 samples" in ladder.finding.summary
    assert "4 samples still train" in ladder.finding.summary
    assert len(session.of(Purpose.EXPERIMENT)) <= session.experiment.budget.experiments


@pytest.mark.parametrize("breaks", [culprit_unless_shuffled, lambda t: True])
def test_a_search_cut_anywhere_goes_on_to_the_same_explanation(tmp_path, breaks) -> None:
    checks = sees(finding("R05"), finding("R07"))
    whole = play(asked(), breaks, checks)
    journal = Journal(tmp_path / "journal.jsonl")
    for event in whole.events:
        journal.append(event)
    loaded = journal.load()
    assert loaded == whole
    for cut in range(1, len(whole.events), 3):
        begun = Session(loaded.experiment, loaded.events[:cut])
        again = play(asked(), breaks, checks, begun=begun)
        assert again.conclusion == whole.conclusion
        assert again.explained == whole.explained


def climbed(breaks: Callable[[Trial], bool], score: Callable[[Arm], float]) -> Session:
    variants = {
        Variant.TINY_SET: ("recipe.n={n}",),
        Variant.RANDOM_INPUT: ("recipe.noise=1",),
        Variant.SHARE: ("recipe.share={n}",),
    }
    return climbed_with(asked(variants=variants), breaks, score)


def climbed_with(
    experiment: Experiment,
    breaks: Callable[[Trial], bool] = lambda trial: False,
    score: Callable[[Arm], float] = lambda arm: 0.9,
) -> Session:
    session = Session(experiment)
    while not session.conclusion:
        decision = climb(session, 2 - len(session.running), frozenset())
        assert decision is not None
        session = session.add(decision.record) if decision.record else session
        for trial in decision.ask:
            session = session.add(Launched(trial, "-"))
        if session.running and not decision.ask:
            trial = session.running[0].trial
            trained = replace(HEALTHY, score=score(trial.arm))
            session = session.add(Judged(trial, BROKEN if breaks(trial) else trained, 1.0))
    return session


def test_a_ladder_that_trains_is_held_against_noise_and_less_data() -> None:
    scores = {("recipe.noise=1",): 0.9, ("recipe.share=0.125",): 0.2}
    session = climbed(lambda t: False, lambda arm: scores.get(arm.tweaks, 0.9))
    said = session.conclusion.because
    assert session.conclusion.ruling is Ruling.CLIMBED
    assert "every rung trains" in said
    assert "on noise 0.9 (no worse: R02" in said
    assert "by share of the samples: 0.125 0.2, 0.25 0.9, 0.5 0.9, 1 0.9" in said
    assert said.endswith("50% of them do as well as all, so more would hardly help (R09)")


def test_a_learning_curve_that_still_climbs_asks_for_more_samples() -> None:
    session = climbed(lambda t: False, lambda arm: 0.9 if not arm.tweaks else 0.3)
    assert session.conclusion.because.endswith(
        "50% of them do worse than all, so more would help (R09)"
    )


def test_a_ladder_stops_at_its_first_broken_rung() -> None:
    session = climbed(lambda t: t.arm.tweaks == ("recipe.n=4",), lambda arm: 0.9)
    assert "the first rung that breaks is 4 samples" in session.conclusion.because
    tried = {t for e in session.started for t in e.trial.arm.tweaks}
    assert "recipe.noise=1" not in tried
    assert "recipe.n=16" not in tried


def test_a_culprit_that_trained_while_it_was_watched_is_explained_by_that_run() -> None:
    session = play(
        asked(inspect=Inspection()),
        lambda trial: "a1" in trial.arm.additions and not trial.arm.watched,
    )
    seen = session.diagnosed(frozenset({"a1"}))
    watched = [
        e.trial.number for e in session.judged if e.trial.arm.watched and e.trial.arm.additions
    ]
    assert seen is not None
    assert watched
    assert set(watched) <= set(seen.trials)


def test_a_nan_that_was_seen_to_be_born_comes_before_what_a_mend_of_it_proves() -> None:
    born = replace(finding("R37b"), evidence={"module": "the loss"})
    foretold = replace(finding("R18c"), reason="R18")
    loss = ("recipe/loss=plain",)
    both = asked(variants={Variant.STANDARD_LOSS: loss})

    def told(breaks: Callable[[Trial], bool]) -> list[tuple[str, Status]]:
        (said,) = play(both, breaks, sees(born, foretold)).explained[-1:]
        return [(r.finding.check, r.status) for r in said.reasons]

    mended = told(lambda t: "a1" in t.arm.additions and t.arm.tweaks != loss)
    assert mended == [("R37b", Status.PROVED), ("R18c", Status.PROVED)]
    in_vain = told(lambda t: "a1" in t.arm.additions)
    assert in_vain == [("R37b", Status.SUSPECTED), ("R18c", Status.REFUTED)]


def test_what_was_seen_of_a_baseline_that_decides_nothing_is_told() -> None:
    def breaks(trial: Trial) -> bool:
        return trial.seed % 3 == 0

    session = play(asked(), breaks, sees(finding("R24"), of=""))
    assert session.conclusion is not None
    assert session.conclusion.ruling is Ruling.BASELINE_FLAKY
    (told,) = session.explained
    assert [(r.finding.check, r.status) for r in told.reasons] == [("R24", Status.SUSPECTED)]


def test_a_slip_that_was_seen_comes_before_the_learning_rate_that_makes_up_for_it() -> None:
    slower = Arm(frozenset({"a1"}), lr_scale=0.1)
    session = play(
        asked(lr=LearningRate(key="recipe.lr", value=0.5)),
        lambda trial: "a1" in trial.arm.additions and trial.arm != slower,
        sees(finding("R33a"), replace(finding("R36b"), reason="R36")),
    )
    (told,) = session.explained[-1:]
    assert [(r.finding.check, r.status) for r in told.reasons] == [
        ("R33a", Status.SUSPECTED),
        ("R36b", Status.PROVED),
    ]
