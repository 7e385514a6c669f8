from dataclasses import replace
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisector.judge.noise import learn, of_ended_runs
from bisector.judge.oracle import SymptomOracle
from bisector.judge.signature import crash_signature
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Direction, Metric
from bisector.model.verdict import Outcome, Signature, Symptom

METRIC = Metric(name="score", min_effect=0.02)
ORACLE = SymptomOracle(METRIC)
LEARNING = Curve((0, 1, 2, 3), (2.0, 1.0, 0.5, 0.3))


def run(score: float | None = 0.95, exit: Exit = Exit.CLEAN, **more) -> Evidence:
    curves = {"loss": LEARNING}
    if score is not None:
        curves["score"] = Curve((1, 3), (score / 2, score))
    return Evidence(exit, curves, **more)


BASELINE = (run(0.95), run(0.955), run(0.945))


@pytest.mark.parametrize(
    "exit", [Exit.KILLED, Exit.VANISHED, Exit.ENVIRONMENT, Exit.CANCELLED, Exit.RUNNING]
)
def test_what_the_machine_did_is_unresolved_and_tried_again(exit: Exit) -> None:
    verdict = ORACLE.judge(run(exit=exit), BASELINE)
    assert (verdict.outcome, verdict.retry) == (Outcome.UNRESOLVED, True)
    assert verdict.interrupted == (exit is Exit.CANCELLED)


@pytest.mark.parametrize(
    ("score", "val_loss", "outcome"),
    [
        (0.11, 2.4, Outcome.BROKEN),  # no better at either
        (0.11, 1.9, Outcome.HEALTHY),  # says little, and is right about that
        (0.60, 4.0, Outcome.HEALTHY),  # often right, and far too sure
        (0.60, 1.2, Outcome.HEALTHY),
    ],
)
def test_a_baseline_must_beat_one_answer_to_all_samples(
    score: float, val_loss: float, outcome: Outcome
) -> None:
    facts = {"constant_answer.score": 0.105, "constant_answer.val_loss": 2.3}
    trained = run(score, facts=facts)
    evidence = replace(trained, curves={**trained.curves, "val_loss": Curve((1,), (val_loss,))})
    verdict = ORACLE.judge(evidence, ())
    assert verdict.outcome is outcome
    assert ("one answer to all samples scores 0.105" in verdict.because) == (
        outcome is Outcome.BROKEN
    )


def test_a_run_that_says_it_cannot_be_judged_is_believed_once() -> None:
    verdict = ORACLE.judge(run(exit=Exit.SKIPPED), BASELINE)
    assert (verdict.outcome, verdict.retry) == (Outcome.UNRESOLVED, False)


@pytest.mark.parametrize(
    ("evidence", "symptom"),
    [
        (run(exit=Exit.CRASHED, log_tail="ValueError: no"), Symptom.CRASH),
        (run(exit=Exit.TIMED_OUT), Symptom.TIMEOUT),
        (run(exit=Exit.OUT_OF_MEMORY), Symptom.OUT_OF_MEMORY),
        (run(score=None), Symptom.NO_METRIC),
        (run(score=0.90), Symptom.WORSE),
        (replace(run(), curves={"loss": Curve((0, 1), (1.0, nan))}), Symptom.NOT_FINITE),
    ],
)
def test_each_way_to_break_has_its_symptom(evidence: Evidence, symptom: Symptom) -> None:
    verdict = ORACLE.judge(evidence, BASELINE)
    assert verdict.outcome is Outcome.BROKEN
    assert verdict.signature is not None
    assert verdict.signature.symptom is symptom
    assert verdict.because


def test_a_run_as_good_as_the_baseline_is_healthy_and_a_better_one_too() -> None:
    for score in (0.95, 0.94, 0.99):
        verdict = ORACLE.judge(run(score), BASELINE)
        assert verdict.outcome is Outcome.HEALTHY
        assert verdict.score == score
        assert verdict.p_broken < 0.5


def test_the_direction_of_harm_follows_the_metric() -> None:
    oracle = SymptomOracle(replace(METRIC, direction=Direction.MINIMIZE))
    assert oracle.judge(run(0.99), BASELINE).outcome is Outcome.BROKEN
    assert oracle.judge(run(0.5), BASELINE).outcome is Outcome.HEALTHY


def test_the_baseline_is_judged_by_whether_it_learns_at_all() -> None:
    flat = replace(run(), curves={**run().curves, "loss": Curve((0, 1, 2), (2.3, 2.31, 2.3))})
    climbing = replace(run(), curves={**run().curves, "loss": Curve((0, 1), (1.0, 5.0))})
    assert ORACLE.judge(run(), ()).outcome is Outcome.HEALTHY
    for evidence, symptom in ((flat, Symptom.STUCK), (climbing, Symptom.DIVERGED)):
        assert ORACLE.judge(evidence, ()).signature == Signature(symptom)


def test_a_baseline_that_had_learned_before_its_first_reading_is_not_stuck() -> None:
    learned = Curve((100, 200, 300), (0.0118, 0.0121, 0.0118))
    assert (
        ORACLE.judge(replace(run(), curves={**run().curves, "loss": learned}), ()).signature is None
    )


def test_a_glance_stops_a_run_whose_loss_is_not_finite_and_no_other() -> None:
    bad = Evidence(Exit.RUNNING, {"loss": Curve((0, 10), (1.0, nan))}, {"planned_steps": 100})
    verdict = ORACLE.glance(bad, BASELINE)
    assert verdict is not None
    assert (verdict.outcome, verdict.early) == (Outcome.BROKEN, True)
    assert (verdict.steps, verdict.planned) == (10, 100)
    assert ORACLE.glance(run(exit=Exit.RUNNING), BASELINE) is None


@given(
    st.floats(-10, 10),
    st.floats(0.001, 1),
    st.lists(st.floats(-3, 3), min_size=2, max_size=8),
)
def test_broken_and_likely_broken_are_the_same_thing(
    mean: float, effect: float, draws: list[float]
) -> None:
    metric = replace(METRIC, min_effect=effect)
    noise = learn([mean + d * effect for d in draws], metric, of_ended_runs(metric))
    assert noise is not None
    for harm in (-effect, 0.0, noise.line * 0.99, noise.line * 1.01, 10 * noise.line):
        value = noise.mean - harm
        if abs(noise.harm(value) - noise.line) > 1e-9:
            assert (noise.p_broken(value) > 0.5) == (noise.harm(value) > noise.line)


def test_a_noisy_baseline_moves_the_line_out_instead_of_crying_wolf() -> None:
    prior = of_ended_runs(METRIC)
    calm, wild = (
        learn([0.95, 0.951, 0.949], METRIC, prior),
        learn([0.95, 0.85, 0.75], METRIC, prior),
    )
    assert calm is not None
    assert wild is not None
    assert calm.line == pytest.approx(0.02, abs=0.03)
    assert wild.line > 0.2


TRACE = """Epoch 3
Traceback (most recent call last):
  File "/home/me/lab/train.py", line 10, in main
    loss = model(x)
  File "/home/me/lab/model.py", line 44, in forward
    return self.head(x)
  File "/env/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 125, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x16 and 32x10)
"""


def test_a_crash_is_known_by_its_error_and_the_users_own_frame() -> None:
    signature = crash_signature(TRACE)
    assert signature == Signature(Symptom.CRASH, "RuntimeError in model.py:forward")
    assert signature == crash_signature(TRACE.replace("64x16", "32x16").replace("44", "51"))
    assert crash_signature("Segmentation fault at 0x7f3a") == crash_signature(
        "Segmentation fault at 0x7f1b".replace("b", "a")
    )


def test_failures_that_train_badly_are_alike_and_crashes_only_with_their_own_kind() -> None:
    worse, nan_ = Signature(Symptom.WORSE), Signature(Symptom.NOT_FINITE, "loss")
    one, other = Signature(Symptom.CRASH, "A"), Signature(Symptom.CRASH, "B")
    assert worse.like(nan_)
    assert one.like(one)
    assert not one.like(other)
    assert not one.like(worse)
