"""How much of a search is left, from what the planner believes now.

The isolating runs left are the bits of uncertainty still to be shed, over the bits
that a run has shed so far; what the proof, the learning-rate sweep and the search for
the reason will ask is added as it stands. It is an estimate and is shown as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from bisector.model.session import Judged, Launched, Session, Suspect
from bisector.model.trial import Arm, Purpose

_USUAL_BITS = 0.5
"""Bits a run sheds in a usual search: `log2` of about 30 explanations in about 10 runs."""
_WEIGHT = 3
"""How many runs that assumption counts for, beside those that were observed."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a search has still to do."""

    runs: int
    """Runs to be finished, those that are going included."""
    seconds: float | None
    """None: no run has ended yet, so nothing is known of their length."""


def entropy(ranked: Sequence[Suspect]) -> float:
    """Bits of uncertainty; what the ranking leaves untold counts as one more explanation."""
    told = [s.probability for s in ranked]
    shares = [*told, max(1 - sum(told), 0.0)]
    return -sum(p * log2(p) for p in shares if p > 0)


def left(session: Session, ranked: Sequence[Suspect], at_start: float) -> Left:
    """What is left of `session`, whose uncertainty was `at_start` bits before any run."""
    if session.conclusion:
        return Left(0, 0.0)
    budget = session.experiment.budget
    runs = _opening(session) + _isolating(session, ranked, at_start) + _proving(session, ranked)
    runs += _explaining(session, ranked)
    runs = max(runs, len(session.running))
    runs = min(runs, budget.trials - len(session.judged))
    if not session.judged:
        return Left(runs, None)
    mean = sum(e.seconds for e in session.judged) / len(session.judged)
    return Left(runs, mean * ceil(runs / width(session)))


def _opening(session: Session) -> int:
    """Runs of the baseline and of everything on that come before the search proper."""
    baseline = session.experiment.budget.repeats - len(session.runs(Arm()))
    full = 1 - len(session.runs(Arm(session.experiment.full)))
    return max(baseline, 0) + max(full, 0)


def _isolating(session: Session, ranked: Sequence[Suspect], at_start: float) -> int:
    if session.accusation:
        return 0
    now = entropy(ranked)
    asked = [*session.of(Purpose.REPRODUCE), *session.of(Purpose.ISOLATE)]
    pace = (max(at_start - now, 0.0) + _WEIGHT * _USUAL_BITS) / (len(asked) + _WEIGHT)
    goal = entropy([Suspect((), session.experiment.budget.confidence)])
    return max(ceil((now - goal) / pace), 0)


def _proving(session: Session, ranked: Sequence[Suspect]) -> int:
    """The likeliest explanation's proof and learning-rate sweep, less what of them is done.

    Each set is shown to break, and those of its parts that are smaller to train, as is everything
    without; at each multiplier the sets are trained, and the baseline beside them.
    """
    accused = session.accusation.suspect if session.accusation else (ranked or (None,))[0]
    explaining = session.of(Purpose.EXPERIMENT) or session.of(Purpose.TRY_REMEDY)
    if accused is None or accused.cumulative or not accused.culprits or explaining:
        return 0
    lr, sets = session.experiment.lr, accused.culprits
    arms = 1 + sum(1 if len(c) == 1 else 1 + len(c) for c in sets)
    proof = session.experiment.budget.confirm * arms
    sweep = (len(lr.scales) + lr.trials) * (len(sets) + 1) if lr else 0
    done = len(session.of(Purpose.CONFIRM)) + len(session.of(Purpose.SWEEP_LR))
    return max(proof + sweep - done, 0)


def _explaining(session: Session, ranked: Sequence[Suspect]) -> int:
    """The runs that look for the likeliest culprit's reason, as far as none has been told yet.

    It and the baseline are watched once; how many changes will be tried is not known before the
    checks have spoken, so one that mends, on all seeds that prove it, is counted.
    """
    accused = session.accusation.suspect if session.accusation else (ranked or (None,))[0]
    if accused is None or accused.cumulative:
        return 0
    inspect, budget = session.experiment.inspect, session.experiment.budget
    if not inspect.enabled:
        return 0
    told = {e.additions for e in session.explained}
    waiting = sum(c not in told for c in accused.culprits)
    if not waiting:
        return 0
    watched = (waiting + 1) * inspect.watch - sum(e.trial.arm.watched for e in session.judged)
    if not session.experiment.variants:  # Nobody has said how its parts are changed.
        return max(watched, 0)
    tried = len(session.of(Purpose.TRY_REMEDY))
    mending = min(budget.remedies, budget.confirm) * waiting - tried
    if mending <= 0:  # The first did not mend it: half of the rest, for want of knowing better.
        mending = ceil((budget.remedies - tried) / 2)
    return max(watched, 0) + max(mending, 0)


def width(session: Session) -> int:
    """The most runs that have been going at once."""
    most = now = 0
    for event in session.events:
        match event:
            case Launched():
                now += 1
            case Judged():
                now -= 1
            case _:
                pass
        most = max(most, now)
    return max(most, 1)
