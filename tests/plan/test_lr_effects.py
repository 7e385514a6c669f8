"""What the learning-rate sweep says of a culprit, and how many seeds it spends on it."""

from collections.abc import Callable

import pytest

from bisector.model.experiment import Addition, Experiment, LearningRate
from bisector.model.session import Accused, Judged, Launched, LrEffect, LrVerdict, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict
from bisector.plan.asks import missing
from bisector.plan.lr_sweep import lr_verdicts, lr_wants

CULPRIT = frozenset({"b"})
NEEDS = Addition(name="b", overrides=("recipe.b=1",), requires=frozenset({"a"}))
FREE = Addition(name="b", overrides=("recipe.b=1",))
SCALES = (0.1, 0.3, 3.0, 10.0)

Breaks = Callable[[float, int], bool]


def swept(
    breaks: Breaks,
    seen_at_one: int = 3,
    addition: Addition = FREE,
    baseline: Breaks = lambda scale, seed: False,
) -> Session:
    """A culprit that was seen on some seeds, and its sweep to the end, two runs at a time."""
    additions = (Addition(name="a", overrides=("recipe.a=1",)), addition)
    lr = LearningRate(key="recipe.lr", value=0.1, scales=SCALES)
    session = Session(Experiment(name="t", additions=additions, lr=lr))
    arm = Arm(CULPRIT | addition.requires)
    for seed in range(seen_at_one):
        session = judged(session, Trial(seed, arm, seed, Purpose.CONFIRM), breaks)
    accused = Accused(Suspect((CULPRIT,), 0.99), "", 0)
    session = session.add(accused)
    while trials := missing(session, lr_wants(session, accused))[:2]:
        for trial in trials:
            session = judged(session, trial, breaks if trial.arm.additions else baseline)
    return session


def judged(session: Session, trial: Trial, breaks: Breaks) -> Session:
    broken = breaks(trial.arm.lr_scale, trial.seed)
    signature = Signature(Symptom.WORSE) if broken else None
    outcome = Outcome.BROKEN if broken else Outcome.HEALTHY
    verdict = Verdict(outcome, 0.99 * broken, signature, score=0.3 if broken else 0.9)
    return session.add(Launched(trial, "")).add(Judged(trial, verdict, 1.0))


def verdict(session: Session) -> LrVerdict:
    assert session.accusation is not None
    (found,) = lr_verdicts(session, session.accusation)
    return found


@pytest.mark.parametrize(
    ("breaks", "effect", "trains", "because"),
    [
        (lambda x: True, LrEffect.BROKEN_AT_EVERY_LR, set(), "broken at x0.1, x0.3, x1, x3, x10"),
        (lambda x: x > 0.5, LrEffect.BREAKS_ABOVE, {0.1, 0.3}, "it breaks at x1, x3, x10, only above x0.3"),
        (lambda x: x < 5, LrEffect.BREAKS_BELOW, {10.0}, "it breaks at x0.1, x0.3, x1, x3, only below x10"),
        (lambda x: x != 0.3, LrEffect.NEEDS_LR, {0.3}, "it breaks at x0.1, x1, x3, x10"),
        (lambda x: x == 1, LrEffect.NEEDS_LR, {0.1, 0.3, 3.0, 10.0}, "it breaks at x1"),
    ],
)  # fmt: skip
def test_each_side_of_the_learning_rate_has_its_own_name(breaks, effect, trains, because) -> None:
    found = verdict(swept(lambda scale, seed: breaks(scale)))
    assert (found.effect, set(found.trains_at), found.because) == (effect, trains, because)
    assert found.tried == (0.1, 0.3, 1.0, 3.0, 10.0)


def test_seeds_are_spent_only_where_the_culprit_seems_to_train() -> None:
    session = swept(lambda scale, seed: scale != 0.3)
    runs = [e.trial.arm.lr_scale for e in session.of(Purpose.SWEEP_LR)]
    assert sorted(runs) == [0.1, 0.3, 0.3, 3.0, 10.0]


def test_an_intermittent_culprit_must_train_on_more_seeds_before_it_is_believed() -> None:
    """It breaks on three seeds of five at any learning rate, and on none of the first two at x0.1."""
    session = swept(lambda scale, seed: seed in ((0, 2, 3) if scale == 1 else (2, 3, 4)), 5)
    found = verdict(session)
    assert found.trains_at == ()
    assert len(session.runs(Arm(CULPRIT, lr_scale=0.1))) > 2


def test_a_culprit_is_swept_together_with_what_it_cannot_run_without() -> None:
    session = swept(lambda scale, seed: True, addition=NEEDS)
    arms = {e.trial.arm.additions for e in session.of(Purpose.SWEEP_LR)}
    assert arms == {frozenset({"a", "b"}), frozenset()}
    assert verdict(session).effect is LrEffect.BROKEN_AT_EVERY_LR


def test_a_learning_rate_at_which_the_baseline_breaks_too_is_told_to_be_no_test() -> None:
    session = swept(lambda scale, seed: True, baseline=lambda scale, seed: scale > 1)
    assert verdict(session).because.endswith("; at x3, x10 the baseline breaks too")


def test_the_baseline_is_swept_only_where_no_learning_rate_mends_the_culprit() -> None:
    guarded = swept(lambda scale, seed: True)
    assert [len(guarded.runs(Arm(lr_scale=s))) for s in SCALES] == [1, 1, 1, 1]
    mended = swept(lambda scale, seed: scale != 0.3)
    assert not any(mended.runs(Arm(lr_scale=s)) for s in SCALES)
