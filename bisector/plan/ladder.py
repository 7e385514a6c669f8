"""The ladder of ever more samples: the first rung that does not train tells where to look.

A handful of samples any sound network learns by heart. Where it does not, model, loss or optimizer
are at fault and not the data; where a later rung breaks first, what is new there is.
"""

from bisector.model.experiment import Experiment
from bisector.model.session import Concluded, Judged, Ruling, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.variant import Variant, spelled
from bisector.model.verdict import Outcome
from bisector.plan.asks import Want, missing, pending
from bisector.ports import Decision

RUNGS = (2, 4, 8, 16, 20, 0.01, 0.1, 1.0)
"""Samples; from 1 down, shares of them (1.0: all)."""
SHARES = (0.125, 0.25, 0.5)
"""Of the learning curve."""


def size(rung: float) -> str:
    """A rung in words."""
    return f"{rung:g} samples" if rung > 1 else f"{rung:.0%} of the samples"


def arm_of(experiment: Experiment, additions: frozenset[str], rung: float) -> Arm | None:
    """What trains on a rung; None: nobody has said how to take a few samples only."""
    if rung == 1:
        return Arm(additions)
    overrides = experiment.variants.get(Variant.TINY_SET)
    return Arm(additions, spelled(overrides, rung)) if overrides else None


def rungs(
    session: Session, additions: frozenset[str]
) -> tuple[tuple[float, tuple[Judged, ...]], ...]:
    """Every rung that was judged, from the lowest, with its runs."""
    arms = ((rung, arm_of(session.experiment, additions, rung)) for rung in RUNGS)
    judged = ((rung, session.runs(arm)) for rung, arm in arms if arm)
    return tuple((rung, runs) for rung, runs in judged if runs)


def broken_rung(session: Session, additions: frozenset[str]) -> tuple[float, Judged] | None:
    """The lowest rung that broke, and how."""
    for rung, runs in rungs(session, additions):
        broken = [e for e in runs if e.verdict.outcome is Outcome.BROKEN]
        if broken:
            return rung, broken[0]
    return None


def rung_wants(session: Session, additions: frozenset[str], purpose: Purpose) -> tuple[Want, ...]:
    """A run of each rung, up to the lowest that broke."""
    broken = broken_rung(session, additions)
    climbed = RUNGS if broken is None else RUNGS[: RUNGS.index(broken[0]) + 1]
    arms = (arm_of(session.experiment, additions, rung) for rung in climbed)
    return tuple(Want(arm, 1, purpose) for arm in arms if arm)


def told(session: Session, additions: frozenset[str]) -> str:
    """What the ladder says, in a sentence without its full stop."""
    broken = broken_rung(session, additions)
    trained = [rung for rung, runs in rungs(session, additions) if not broken or rung != broken[0]]
    if broken is None:
        return (
            f"every rung trains, from {size(trained[0])} to {size(trained[-1])}" if trained else ""
        )
    rung, run = broken
    below = [r for r in trained if RUNGS.index(r) < RUNGS.index(rung)]
    where = f"; {size(below[-1])} still train" if below else ""
    hint = (
        "what is new there is at fault: conflicting or noisy targets, too small a network, or too "
        "high a learning rate for them"
        if below
        else "model, loss or optimizer are at fault, and not the amount of data"
    )
    return f"the first rung that breaks is {size(rung)} ({run.verdict.because}){where}; {hint}"


def comparison_wants(session: Session, additions: frozenset[str]) -> tuple[Want, ...]:
    """What the whole is to be held against: no signal in the inputs, or in the targets; less data."""
    arms = [arm for *_, arm in _without_signal(session.experiment, additions)]
    arms += [arm for _, arm in _shares(session.experiment, additions)]
    return tuple(Want(arm, 1, Purpose.SWEEP) for arm in arms)


def compared(session: Session, additions: frozenset[str]) -> str:
    """What the comparisons say beside the whole; empty: they say nothing.

    One that is not worse by the smallest effect worth a verdict does as well as the whole.
    """
    metric = session.experiment.metric
    whole = _score(session, Arm(additions))
    if whole is None:
        return ""
    said = [
        f"{words} {found}" + (f" (no worse: {means})" if _as_well(session, arm, whole) else "")
        for words, means, arm in _without_signal(session.experiment, additions)
        if (found := _came_out(session, arm))
    ]
    curve = _curve(session, additions, whole)
    all_said = "; ".join(filter(None, (", ".join(said), curve)))
    return f"{metric.name} {whole:.4g}; {all_said}" if all_said else ""


def _curve(session: Session, additions: frozenset[str], whole: float) -> str:
    """The learning curve, and whether more samples promise anything; empty: it was not drawn."""
    shares = _shares(session.experiment, additions)
    drawn = [(part, arm, _score(session, arm)) for part, arm in shares]
    drawn = [each for each in drawn if each[2] is not None]
    if not drawn:
        return ""
    points = ", ".join(f"{part:.3g} {score:.4g}" for part, _, score in drawn)
    part, arm, _ = drawn[-1]
    ends = "hardly help" if _as_well(session, arm, whole) else "help"
    did = "do as well as" if ends == "hardly help" else "do worse than"
    return (
        f"by share of the samples: {points}, 1 {whole:.4g}; {part:.0%} of them {did} all, so more "
        f"would {ends} (R09)"
    )


def _as_well(session: Session, arm: Arm, whole: float) -> bool:
    metric, score = session.experiment.metric, _score(session, arm)
    return score is not None and metric.harm(score, whole) <= metric.min_effect


def _came_out(session: Session, arm: Arm) -> str:
    """A run's score, or that it broke before it had one; empty: there is none."""
    score = _score(session, arm)
    if score is not None:
        return f"{score:.4g}"
    broken = any(e.verdict.outcome is Outcome.BROKEN for e in session.runs(arm))
    return "it breaks" if broken else ""


def _without_signal(
    experiment: Experiment, additions: frozenset[str]
) -> list[tuple[str, str, Arm]]:
    """Each in words, what it means if it does as well as the whole, and its arm."""
    known = experiment.variants
    return [
        (words, means, Arm(additions, tuple(known[variant])))
        for variant, words, means in (
            (Variant.RANDOM_INPUT, "on noise", "R02, the inputs tell it nothing"),
            (Variant.PERMUTED_LABELS, "with permuted targets", "R04, they do not go together"),
        )
        if variant in known
    ]


def _shares(experiment: Experiment, additions: frozenset[str]) -> list[tuple[float, Arm]]:
    """The points of the learning curve below the whole."""
    overrides = experiment.variants.get(Variant.SHARE)
    return [(p, Arm(additions, spelled(overrides, p))) for p in SHARES] if overrides else []


def _score(session: Session, arm: Arm) -> float | None:
    scores = (e.verdict.score for e in session.runs(arm))
    return next((s for s in scores if s is not None), None)


def climb(session: Session, slots: int, additions: frozenset[str]) -> Decision | None:
    """The ladder by itself, with nothing to accuse: `bisect ladder`."""
    wants = rung_wants(session, additions, Purpose.SWEEP)
    if broken_rung(session, additions) is None:
        wants += comparison_wants(session, additions)
    trials = missing(session, wants)
    left = session.experiment.budget.trials - session.spent
    if trials and left > 0:
        return Decision(ask=trials[: min(slots, left)])
    if pending(session, wants):
        return Decision()
    because = "; ".join(filter(None, (told(session, additions), compared(session, additions))))
    if not because:
        return Decision(record=Concluded(Ruling.INCONCLUSIVE, (), 0.0, "no rung could be judged"))
    return Decision(record=Concluded(Ruling.CLIMBED, (), 1.0, because))
