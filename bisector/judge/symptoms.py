"""What is visibly wrong with a run: one function a symptom, each silent when it is not there."""

from collections.abc import Callable, Sequence
from math import isfinite

from bisector.judge.noise import Noise
from bisector.judge.signature import crash_signature
from bisector.model.evidence import CONSTANT_ANSWER, OBSERVED_LOSS, Evidence, Exit, Signal
from bisector.model.experiment import Metric
from bisector.model.verdict import Outcome, Signature, Symptom, Verdict

LOSSES = (Signal.LOSS, Signal.VAL_LOSS, OBSERVED_LOSS)
BY_HEART = 32
"""Samples that any network which learns at all learns by heart; more may take longer."""
LOSS_KEPT = 0.1
"""Share of its first loss that such a set may keep (an error of 5 % in TheDeepChecker, 2022)."""
LOSS_OF_CONSTANT = 0.98
"""Share of the loss of the best constant answer below which a network has learned something."""

CONVERGED = 0.05
"""A flat loss below this has been learned before its first reading: no answer by chance in a
classification loses so little, as two classes cost .69. Of squared errors it says nothing certain."""


def value_of(evidence: Evidence, metric: Metric) -> float | None:
    """The deciding metric's value: the mean of its last readings; None if never reported."""
    curve = evidence.curves.get(metric.name)
    return curve.tail(metric.last) if curve else None


def crashed(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """An exception in user code, or a non-zero exit code."""
    if e.exit is not Exit.CRASHED:
        return None
    signature = crash_signature(e.log_tail, e.facts.get("code"))
    return _broken(signature, 1.0, f"crashed: {signature.detail or 'no message'}")


def timed_out(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """The training took longer than its limit."""
    if e.exit is not Exit.TIMED_OUT:
        return None
    return _broken(Signature(Symptom.TIMEOUT), 1.0, f"still running after {_seconds(e)}")


def out_of_memory(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """The training needs more memory than there is."""
    if e.exit is not Exit.OUT_OF_MEMORY:
        return None
    peak = e.facts.get("max_rss_mb")
    used = f" at {peak:.0f} MiB" if isinstance(peak, float) else ""
    return _broken(Signature(Symptom.OUT_OF_MEMORY), 1.0, f"out of memory{used}")


def not_finite(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """A loss, or the deciding metric, became NaN or infinite."""
    for name in dict.fromkeys((*LOSSES, metric.name)):
        curve = e.curves.get(name)
        readings = zip(curve.steps, curve.values, strict=True) if curve else ()
        bad = next((step for step, value in readings if not isfinite(value)), None)
        if bad is not None:
            signature = Signature(Symptom.NOT_FINITE, str(name))
            return _broken(signature, 1.0, f"{name} is not finite at step {bad}")
    return None


def no_metric(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """The run ended well and never reported what decides."""
    if e.exit is not Exit.CLEAN or metric.name in e.curves:
        return None
    seen = ", ".join(sorted(e.curves)) or "nothing"
    return _broken(
        Signature(Symptom.NO_METRIC, str(metric.name)), 1.0, f"reported {seen}, never {metric.name}"
    )


def stuck(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """With nothing to compare it with, a run must at least have learned something."""
    curve = e.curves.get(Signal.LOSS) or e.curves.get(Signal.VAL_LOSS)
    if noise is not None or curve is None or len(curve.values) < 2:
        return None
    tail = max(1, len(curve.values) // 10)
    first, last = sum(curve.values[:tail]) / tail, curve.tail(tail)
    if last < first - 0.01 * abs(first):
        return None
    if max(first, last) < CONVERGED:
        return None
    symptom = Symptom.DIVERGED if last > 1.5 * first else Symptom.STUCK
    return _broken(Signature(symptom), 1.0, f"loss went from {first:.3g} to {last:.3g}")


def no_better_than_a_constant(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """With nothing to compare it with, a run must beat one and the same answer to every sample.

    Either way will do: classes that are weighted can cost accuracy, and answers that are right and
    too sure of themselves cost loss.
    """
    value, constant = value_of(e, metric), _of_constant(e, metric.name)
    if noise is not None or value is None or constant is None:
        return None
    if metric.harm(value, constant) < -metric.min_effect / 2:
        return None
    if _learned_something(e, metric):
        return None
    said = f"{metric.name} {value:.4g}, and one answer to all samples scores {constant:.4g}"
    return _broken(Signature(Symptom.STUCK), 1.0, said)


def _learned_something(e: Evidence, metric: Metric) -> bool:
    """Whether the validation loss is known to be below that of the best constant answer."""
    losses, constant = e.curves.get(Signal.VAL_LOSS), _of_constant(e, Signal.VAL_LOSS)
    if losses is None or constant is None:
        return False
    return losses.tail(metric.last) < LOSS_OF_CONSTANT * constant


def _of_constant(e: Evidence, name: str) -> float | None:
    found = e.facts.get(f"{CONSTANT_ANSWER}{name}")
    return float(found) if isinstance(found, int | float) else None


def not_learned_by_heart(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """A handful of samples, seen over and over again, kept most of their loss."""
    shown, kept = e.facts.get("tiny_set"), e.facts.get("tiny_set_kept")
    if not isinstance(shown, int | float) or not isinstance(kept, int | float):
        return None
    if shown > BY_HEART or kept <= LOSS_KEPT:
        return None
    said = f"{kept:.0%} of the loss on {shown:.0f} samples is left, more than {LOSS_KEPT:.0%}"
    return _broken(Signature(Symptom.STUCK, "by heart"), 1.0, said)


def worse(e: Evidence, metric: Metric, noise: Noise | None) -> Verdict | None:
    """The deciding metric is worse than the baseline's by more than the smallest effect."""
    value = value_of(e, metric)
    if noise is None or value is None:
        return None
    p, harm = noise.p_broken(value), noise.harm(value)
    said = f"{metric.name} {value:.4g}, baseline {noise.mean:.4g}"
    if harm > noise.line:
        because = f"{said}: worse by {harm:.3g}, more than {noise.line:.3g}"
        return _broken(Signature(Symptom.WORSE), p, because)
    if harm > 0:
        said = f"{said}: worse by {harm:.2g} +- {noise.reach(noise.alpha / 2):.2g}, no effect worth acting on"
    return Verdict(Outcome.HEALTHY, p, because=said)


Look = Callable[[Evidence, Metric, Noise | None], Verdict | None]

SYMPTOMS: Sequence[Look] = (
    crashed,
    timed_out,
    out_of_memory,
    not_finite,
    no_metric,
    not_learned_by_heart,
    stuck,
    no_better_than_a_constant,
    worse,
)
"""In the order in which they explain each other: the first to speak is the verdict."""


def _broken(signature: Signature, p: float, because: str) -> Verdict:
    return Verdict(Outcome.BROKEN, p, signature, because=because)


def _seconds(e: Evidence) -> str:
    seconds = e.facts.get("seconds")
    return f"{seconds:.0f} s" if isinstance(seconds, int | float) else "its time limit"
