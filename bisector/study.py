"""An Optuna study read as a search: categorical parameters as additions, trials as events.

A parameter's first value is the baseline; each other value is an addition that excludes its
siblings. All there is to know stands in the study, so whoever opens it reads the same search.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import nan

from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from bisector.judge.oracle import SymptomOracle
from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.experiment import Addition, Budget, Direction, Experiment, Metric
from bisector.model.session import Accused, Event, Judged, Launched, Session, Suspect
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict
from bisector.plan.asks import seeds_used
from bisector.plan.phases import baseline_is_known, same_suspect

VALUE = "objective"
"""The name under which what the objective returned is judged."""

ON, SEED, PURPOSE = "bisect_on", "bisect_seed", "bisect_purpose"
"""User attributes of a trial: the additions it was to have, its seed, and why it was asked for."""
ACCUSED = "bisect_accused"
"""User attribute of a trial: the accusation that stood when it was asked for."""
ENDED = "bisect_ended"
"""User attribute of a failed trial whose objective raised or returned no number: one that failed
without it lost its worker, which says nothing of its arm."""

LOST_FACTOR, LOST_AFTER = 4, timedelta(seconds=5)
"""A running trial is given up once it takes this many times as long as the longest that ended,
and at least so long. If it ends after all, it counts."""

ENDLESS = 10**9
"""How many trials there may be is for `study.optimize` to say."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides how a study is read; stored in it as JSON."""

    min_effect: float
    """Smallest harm worth a verdict, in units of the objective."""
    confidence: float = 0.99
    repeats: int = 3
    """Trials of the baseline before anything is compared with it."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Switch:
    """A categorical parameter with at least two values."""

    name: str
    distribution: CategoricalDistribution

    @property
    def names(self) -> tuple[str, ...]:
        """The additions, one for each value but the first."""
        off, *on = self.distribution.choices
        if off is False and on == [True]:
            return (self.name,)
        return tuple(f"{self.name}={value}" for value in on)

    def chosen(self, value: CategoricalChoiceType) -> frozenset[str]:
        """The addition that a value stands for; none for the first."""
        index = int(self.distribution.to_internal_repr(value))
        return frozenset(self.names[index - 1 : index] if index else ())

    def value(self, on: Iterable[str]) -> CategoricalChoiceType:
        """The value to be set for a set of additions."""
        index = next((i for i, name in enumerate(self.names, 1) if name in on), 0)
        return self.distribution.choices[index]

    def additions(self, turn: int) -> Iterator[Addition]:
        """One for each value but the first; value number `turn` comes first, so it is in `full`."""
        names = frozenset(self.names)
        first = turn % len(self.names)
        for name in (*self.names[first:], *self.names[:first]):
            yield Addition(name=name, overrides=(), excludes=names - {name})


def switches(trials: Sequence[FrozenTrial]) -> tuple[Switch, ...]:
    """The categorical parameters of every completed trial, by name.

    One that only some trials suggest (a conditional parameter) is none of them. While no
    trial has completed, those of the failed ones, so that a broken baseline can be said to be.
    """
    complete = [t.distributions for t in trials if t.state is TrialState.COMPLETE]
    if complete:
        known = {k: d for k, d in complete[0].items() if all(t.get(k) == d for t in complete)}
    else:
        known = {k: d for t in trials if t.state.is_finished() for k, d in t.distributions.items()}
    return tuple(_switch(name, d) for name, d in sorted(known.items()) if _has_alternatives(d))


def experiments(
    terms: Terms, found: Sequence[Switch], direction: Direction
) -> tuple[Experiment, ...]:
    """The searches to be made one after another, while nothing breaks.

    As many as the most values that a parameter has beside its first: only one of them can
    be in the full set, so each has its turn.
    """
    budget = Budget(trials=ENDLESS, confidence=terms.confidence, repeats=terms.repeats)
    metric = Metric(name=VALUE, direction=direction, min_effect=terms.min_effect)
    return tuple(
        Experiment(
            name="study",
            additions=tuple(a for switch in found for a in switch.additions(turn)),
            budget=budget,
            metric=metric,
            seed=terms.seed,
        )
        for turn in range(max((len(s.names) for s in found), default=1))
    )


def lost(trials: Sequence[FrozenTrial]) -> frozenset[int]:
    """The numbers of trials that still run by name only: their worker was killed.

    Time is the study's own, that of its latest start or end: clocks of machines differ.
    """
    ended = [t.duration for t in trials if t.duration]
    if not ended:
        return frozenset()
    limit = max(LOST_AFTER, LOST_FACTOR * max(ended))
    now = max(m for t in trials for m in (t.datetime_start, t.datetime_complete) if m)
    running = [t for t in trials if t.state is TrialState.RUNNING]
    return frozenset(
        t.number for t in running if t.datetime_start and now - t.datetime_start > limit
    )


def read(experiment: Experiment, found: Sequence[Switch], trials: Sequence[FrozenTrial]) -> Session:
    """The search that a study's trials amount to, as far as it has come."""
    session, gone = Session(experiment), lost(trials)
    ended: list[tuple[Trial, FrozenTrial]] = []
    for frozen in trials:
        if frozen.state is TrialState.WAITING or unplanned(frozen):
            continue
        trial = _trial(session, found, frozen)
        session = Session(experiment, (*session.events, *_launch(session, trial, frozen)))
        if frozen.state.is_finished() or frozen.number in gone:
            ended.append((trial, frozen))
    return _judge_all(session, ended)


def unplanned(frozen: FrozenTrial) -> bool:
    """Whether a trial has only just been created, and its worker is still planning it."""
    return frozen.state is TrialState.RUNNING and ON not in frozen.user_attrs


def accusation_as_json(accused: Accused) -> dict[str, object]:
    """What `read` takes an accusation from."""
    suspect = accused.suspect
    return {
        "culprits": [sorted(c) for c in suspect.culprits],
        "probability": suspect.probability,
        "because": accused.because,
    }


def _trial(session: Session, found: Sequence[Switch], frozen: FrozenTrial) -> Trial:
    arm, told = _arm(found, frozen), frozen.user_attrs
    seed = told.get(SEED, session.experiment.seed + seeds_used(session, arm))
    purpose = Purpose.BASELINE if arm == Arm() else Purpose.ISOLATE
    # Its parameters may be the user's own choice (`enqueue_trial`), whatever was planned for it.
    if arm == Arm(frozenset(told.get(ON, ()))):
        purpose = Purpose(told.get(PURPOSE, purpose))
    return Trial(frozen.number, arm, seed, purpose)


def _arm(found: Sequence[Switch], frozen: FrozenTrial) -> Arm:
    """What a trial really had on; where it did not get so far, what it was to have."""
    planned = frozenset(frozen.user_attrs.get(ON, ()))
    on = [
        switch.chosen(frozen.params[switch.name])
        if switch.name in frozen.params
        else planned.intersection(switch.names)
        for switch in found
    ]
    known = {switch.name for switch in found}
    others = (
        (_switch(name, d), frozen.params[name])
        for name, d in sorted(frozen.distributions.items())
        if name not in known and _has_alternatives(d)
    )
    tweaks = tuple(f"{s.name}={value}" for s, value in others if s.chosen(value))
    return Arm(frozenset().union(*on), tweaks)


def _launch(session: Session, trial: Trial, frozen: FrozenTrial) -> Iterator[Event]:
    """A trial, and before it the accusation that it was the first to be asked for under."""
    told = frozen.user_attrs.get(ACCUSED)
    if told:
        culprits = tuple(frozenset(c) for c in told["culprits"])
        suspect, standing = Suspect(culprits, told["probability"]), session.accusation
        known = frozenset().union(*culprits) <= session.experiment.names
        if known and not (standing and same_suspect(standing.suspect, suspect)):
            yield Accused(suspect, told["because"], trial.number)
    yield Launched(trial, "")


def _judge_all(session: Session, ended: Sequence[tuple[Trial, FrozenTrial]]) -> Session:
    """Judgements of the baseline and, once it is known, of all else against it."""
    oracle = SymptomOracle(session.experiment.metric)
    baseline: list[FrozenTrial] = []
    for trial, frozen in ended:
        if trial.purpose is Purpose.BASELINE:
            verdict = _verdict(frozen, (), oracle)
            session = session.add(_judged(trial, frozen, verdict))
            baseline += [frozen] if verdict.outcome is Outcome.HEALTHY else []
    if not baseline_is_known(session):
        return session
    for trial, frozen in ended:
        if trial.purpose is not Purpose.BASELINE:
            session = session.add(_judged(trial, frozen, _verdict(frozen, baseline, oracle)))
    return session


def _judged(trial: Trial, frozen: FrozenTrial, verdict: Verdict) -> Judged:
    seconds = frozen.duration.total_seconds() if frozen.duration else 0.0
    return Judged(trial, verdict, seconds)


def _verdict(
    frozen: FrozenTrial, baseline: Sequence[FrozenTrial], oracle: SymptomOracle
) -> Verdict:
    match frozen.state:
        case TrialState.COMPLETE:
            values = [_reading(0, b.value) for b in baseline]
            return oracle.judge(_reading(0, frozen.value), values)
        case TrialState.PRUNED:
            return _of_pruned(frozen, baseline, oracle)
        case TrialState.FAIL if frozen.user_attrs.get(ENDED):
            # Optuna keeps no record of which it was, so both must count as the same failure.
            verdict = oracle.judge(_reading(0, nan), ())
            return replace(verdict, because="the objective raised, or returned no number")
        case _:
            return oracle.judge(Evidence(Exit.VANISHED), ())


def _of_pruned(
    frozen: FrozenTrial, baseline: Sequence[FrozenTrial], oracle: SymptomOracle
) -> Verdict:
    """Broken if the last value it reported is, held to the baseline's at that step.

    A pruner also ends trials that are merely not among the best: those are not judged.
    """
    step = frozen.last_step
    if step is None:
        return Verdict(Outcome.UNRESOLVED, 0.5, because="pruned before it reported anything")
    beside = [b.intermediate_values.get(step) for b in baseline]
    values = [_reading(step, v) for v in beside if v is not None]
    verdict = oracle.judge(_reading(step, frozen.intermediate_values[step]), values)
    if verdict.outcome is Outcome.BROKEN:
        return verdict
    because = f"pruned at step {step}, where it was not known to be broken"
    return Verdict(Outcome.UNRESOLVED, 0.5, because=because)


def _reading(step: int, value: float | None) -> Evidence:
    return Evidence(Exit.CLEAN, {VALUE: Curve((step,), (nan if value is None else value,))})


def _switch(name: str, distribution: BaseDistribution) -> Switch:
    assert isinstance(distribution, CategoricalDistribution)
    return Switch(name, distribution)


def _has_alternatives(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution) and len(distribution.choices) > 1
