"""Every experiment of the essay is an arm that some phase asks for; what mends without a reason is told so."""

from dataclasses import replace

import pytest
from test_diagnosis_in_search import (
    BROKEN,
    HEALTHY,
    UNWATCHED,
    asked,
    climbed_with,
    culprit,
    finding,
    play,
    sees,
)

from bisector.model.experiment import Addition, Budget, Experiment, Kind, LearningRate
from bisector.model.finding import Status
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.variant import BASELINE_STEPS, LR_TIMES, MEANS, Variant, change_named
from bisector.plan.baseline import fault_lies
from bisector.plan.experiments import general_mends
from bisector.plan.remedies import Attempt, attempts, mend_of, tried
from bisector.report.why import reason_in_brief, sentences, whys
from bisector.workload.recipe import VARIANTS

RECIPE = {**VARIANTS, Variant.STANDARD_LOSS: ("recipe/loss=plain",)}
LR = LearningRate(key="recipe.lr", value=0.5)
CLIP = VARIANTS[Variant.CLIP_GRADIENTS]

ESSAY = {
    "random input": "random-input",
    "permuted labels": "permuted-labels",
    "2 samples": "tiny-set 2",
    "4 samples": "tiny-set 4",
    "8 samples": "tiny-set 8",
    "16 samples": "tiny-set 16",
    "20 samples": "tiny-set 20",
    "1 %": "tiny-set 0.01",
    "10 %": "tiny-set 0.1",
    "an eighth of the learning curve": "share 0.125",
    "a quarter": "share 0.25",
    "half": "share 0.5",
    "batch / 4": "smaller-batch",
    "width x2": "wider",
    "twice the time": "longer",
    "another optimizer": "adamw",
    "and another": "sgd",
    "another initialisation": "initialise",
    "regularisers x0.1": "less-regularisation",
    "regularisers off": "no-regularisation",
    "augmentation x0.5": "half-augmentation",
    "augmentation off": "no-augmentation",
    "stripped baseline": "stripped",
    "reference model": "reference-model",
    "standard dataset": "standard-data",
    "reduced problem": "two-classes",
    "plain SGD": "plain-sgd",
}


def named(session: Session) -> set[str]:
    """The changes that were asked for, and 100 % where an arm was trained as it is."""
    return {change_named(RECIPE, e.trial.arm.tweaks) for e in session.started}


def with_recipe(**more: object) -> Experiment:
    return asked(variants=RECIPE, lr=LR, **more)


@pytest.fixture(scope="module")
def everything_asked() -> set[str]:
    """By a recipe's searches: of a baseline that nothing mends, of one that has too many tricks, of a ladder."""
    broken = play(with_recipe(), lambda t: True)
    stripped = VARIANTS[Variant.STRIPPED]
    tricks = play(with_recipe(), lambda t: t.arm.tweaks != stripped)
    ladder = climbed_with(with_recipe())
    return named(broken) | named(tricks) | named(ladder)


@pytest.mark.parametrize("what", ESSAY)
def test_every_experiment_is_asked_by_a_phase(what: str, everything_asked: set[str]) -> None:
    assert ESSAY[what] in everything_asked


def test_every_change_that_a_recipe_can_make_is_known_by_what_it_means() -> None:
    assert set(VARIANTS) <= set(Variant) == set(MEANS)


def test_all_of_it_fits_into_the_budget() -> None:
    session = play(with_recipe(inspect=UNWATCHED), lambda t: True)
    spent = session.of(Purpose.EXPERIMENT)
    assert len(spent) < session.experiment.budget.experiments
    assert change_named(RECIPE, spent[-1].trial.arm.tweaks) in {"two-classes", "plain-sgd"}


def only(*variants: Variant):
    """Breaks unless one of these changes is made."""
    mends = {VARIANTS[v] for v in variants}
    return lambda trial: trial.arm.tweaks not in mends


@pytest.mark.parametrize(
    ("trains", "where", "says"),
    [
        (Variant.STANDARD_DATA, "data", "the data are at fault"),
        (Variant.REFERENCE_MODEL, "model", "and not the data"),
    ],
)
def test_a_standard_model_and_standard_data_tell_which_of_the_two_is_at_fault(
    trains: Variant, where: str, says: str
) -> None:
    session = play(with_recipe(), only(trains))
    assert fault_lies(session) == where
    (told,) = session.explained
    pair = [r for r in told.reasons if r.finding.check in ("B1", "S1")]
    assert {r.status for r in pair} == {Status.PROVED, Status.REFUTED}
    assert all(r.finding.summary.endswith(says) for r in pair)
    late = [change_named(RECIPE, e.trial.arm.tweaks) for e in session.of(Purpose.EXPERIMENT)]
    assert (late.index("balance") < late.index("wider")) == (where == "data")


def test_a_check_that_says_what_it_is_comes_before_an_experiment_that_says_where() -> None:
    session = play(with_recipe(), only(Variant.STANDARD_DATA), sees(finding("R01"), of=""))
    first = [(r.finding.check, r.status) for r in session.explained[0].reasons[:2]]
    assert first == [("R01", Status.SUSPECTED), ("S1", Status.PROVED)]


def test_where_both_train_or_both_break_the_pair_says_nothing() -> None:
    assert not fault_lies(play(with_recipe(), lambda t: True))
    both = only(Variant.STANDARD_DATA, Variant.REFERENCE_MODEL)
    assert not fault_lies(play(with_recipe(), both))


def test_once_leaving_out_all_tricks_mends_it_the_tricks_are_told_apart() -> None:
    session = play(with_recipe(), only(Variant.STRIPPED, Variant.NO_AUGMENTATION))
    (told,) = session.explained
    found = {r.finding.title: r.status for r in told.reasons}
    assert found["one of the tricks"] is found["the augmentation"] is Status.PROVED
    assert found["too much augmentation"] is found["the regularisation"] is Status.REFUTED
    assert "wider" not in named(session), "mended: what else might be is not asked"


def addition(kind: Kind, *overrides: str, weaker: tuple[str, ...] = ()) -> Addition:
    return Addition(name="a1", overrides=overrides or ("recipe.a1=1",), kind=kind, weaker=weaker)


def convicted(kind: Kind, mends: tuple[str, ...], *found, **more: object) -> Session:
    """A search that convicts a1, which trains with one change."""
    others = tuple(Addition(name=f"a{i}", overrides=(f"recipe.a{i}=1",)) for i in (0, 2, 3))
    weaker = more.pop("weaker", ())
    experiment = Experiment(
        name="t",
        additions=(addition(kind, weaker=weaker), *others),
        variants=RECIPE,
        inspect=UNWATCHED,
        **more,
    )
    return play(experiment, lambda t: culprit(t) and t.arm.tweaks != mends, sees(*found))


def test_a_culprit_that_no_check_suspects_gets_a_mend_and_is_told_that_the_reason_is_unknown() -> (
    None
):
    session = convicted(Kind.LOSS, CLIP)
    (told,) = session.explained
    (reason,) = told.reasons
    assert (reason.status, reason.mend, reason.finding.check) == (Status.PROVED, CLIP, "")
    (said,) = sentences(whys(session))
    assert "Why `a1` alone fails is not known, but there is a mend that works (proved" in said
    assert "clip the gradient's norm, it trained on 2 of 2 seeds" in said
    assert reason_in_brief(session) == "a mend that works (proved)"
    runs = session.of(Purpose.TRY_REMEDY)
    assert len({e.trial.arm for e in runs}) < 6, "nothing is tried beyond what works"


def test_a_tenth_of_what_it_changes_is_tried_first_and_named_as_overrides() -> None:
    weaker = ("++recipe.a1=0.05",)
    session = convicted(Kind.REGULARISATION, weaker, weaker=weaker)
    (reason,) = session.explained[0].reasons
    assert (reason.status, reason.mend) == (Status.PROVED, weaker)
    assert session.of(Purpose.TRY_REMEDY)[0].trial.arm.tweaks == weaker


def test_what_was_tried_in_vain_is_told_as_that_and_stays_in_the_budget() -> None:
    session = convicted(Kind.MODEL, ("never",), budget=Budget(remedies=3))
    (reason,) = session.explained[0].reasons
    assert (reason.status, reason.mend) == (Status.REFUTED, ())
    assert reason.because.count("0 of 1 seed") == len(session.of(Purpose.TRY_REMEDY)) == 3
    (said,) = sentences(whys(session))
    assert said.endswith("no check found a reason; what mends many ills did not help.")


def test_where_a_check_suspects_something_nothing_general_is_tried() -> None:
    session = convicted(Kind.LOSS, CLIP, finding("R05"))
    assert not session.of(Purpose.TRY_REMEDY)


def test_where_all_suspicions_are_refuted_it_is_tried_after_them() -> None:
    session = convicted(Kind.LOSS, CLIP, finding("R07"))
    told = [(r.finding.check, r.status) for r in session.explained[-1].reasons]
    assert told == [("", Status.PROVED), ("R07", Status.REFUTED)]


def test_where_another_learning_rate_mends_it_nothing_else_is_tried() -> None:
    additions = tuple(Addition(name=f"a{i}", overrides=(f"recipe.a{i}=1",)) for i in range(4))
    experiment = Experiment(
        name="t", additions=additions, variants=RECIPE, inspect=UNWATCHED, lr=LR
    )
    session = play(experiment, lambda t: culprit(t) and t.arm.lr_scale != 0.1)
    assert not session.of(Purpose.TRY_REMEDY)


def test_a_change_that_would_take_the_addition_out_again_is_no_mend() -> None:
    swaps = addition(
        Kind.OTHER, "recipe.optimizer.weight_decay=0.1", "recipe.trainer.clip_norm=9.0"
    )
    tried_ = general_mends([swaps])
    assert Variant.ADAMW not in tried_
    assert Variant.CLIP_GRADIENTS not in tried_
    assert Variant.WARM_UP in tried_
    for kind in Kind:
        least = {Variant.NO_AUGMENTATION, Variant.NO_REGULARISATION, Variant.STRIPPED}
        assert not least & set(general_mends([addition(kind)]))


def test_the_order_is_by_probability_and_cost() -> None:
    assert general_mends([addition(Kind.AUGMENTATION)])[:3] == (
        Variant.WEAKER,
        Variant.HALF_AUGMENTATION,
        Variant.LONGER,
    )
    assert general_mends([addition(Kind.MODEL)])[0] is Variant.WARM_UP


def test_a_run_that_ends_early_is_told_to_take_as_many_steps_as_the_baseline() -> None:
    early = replace(finding("R31b"), evidence={BASELINE_STEPS: 1_500_000.0})
    first, *_ = attempts(with_recipe(), frozenset({"a1"}), early)
    assert first.arm.tweaks == ("++recipe.trainer.alter.updates=1500000",)
    unknown = attempts(with_recipe(), frozenset({"a1"}), finding("R31b"))
    assert [a.variant for a in unknown] == [Variant.LONGER]


def test_a_finding_that_knows_the_fitting_rate_has_it_tried() -> None:
    slow = replace(finding("R36c"), evidence={LR_TIMES: 1e4})
    assert [a.arm.lr_scale for a in attempts(with_recipe(), frozenset({"a1"}), slow)] == [1e4, 10.0]
    assert mend_of(with_recipe(), attempts(with_recipe(), frozenset(), slow)[0]) == (
        "recipe.lr=5000",
    )


def test_a_longer_training_says_what_it_went_on_from() -> None:
    arm = Arm(tweaks=VARIANTS[Variant.LONGER])
    session = Session(with_recipe())
    for number, continues in enumerate((4, None)):
        trial = Trial(number, arm, number, Purpose.TRY_REMEDY)
        verdict = HEALTHY if continues is None else BROKEN
        judged = Judged(trial, replace(verdict, continues=continues), 1.0)
        session = session.add(Launched(trial, "-")).add(judged)
    said = tried(session, Attempt(Variant.LONGER, arm))
    assert (
        "train twice as long (going on from run 4 and the start, where no state was kept)" in said
    )
