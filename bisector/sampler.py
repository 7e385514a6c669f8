"""`BisectSampler`: the planner as an Optuna sampler, for people who have an `objective(trial)`.

It keeps nothing: at every ask the study is read as a search (`bisector.study`) and the search's
phases say what to train. So a study is resumed by opening it, and several workers may share it.
"""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import asdict, dataclass, replace
from math import sqrt
from typing import Any

from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from bisector.model.experiment import Direction
from bisector.model.session import Accused, Concluded, Launched, Ruling, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.asks import numbered, seeds_used
from bisector.plan.phases import (
    baseline_is_known,
    conclude,
    confirm,
    isolate,
    reproduce,
    steer,
)
from bisector.plan.proof import passing
from bisector.study import (
    ACCUSED,
    ENDED,
    ON,
    PURPOSE,
    SEED,
    Terms,
    accusation_as_json,
    experiments,
    lost,
    read,
    switches,
    unplanned,
)

TERMS, VERDICT = "bisect_terms", "bisect_verdict"
"""User attributes of a study: on what terms it is read, and what has been found so far."""

PLANNER = AdaptivePlanner()
PHASES = (reproduce, isolate(PLANNER), confirm, conclude(PLANNER))


class BisectSampler(BaseSampler):
    """Finds which values of categorical parameters break an objective.

    `trial.suggest_categorical("mixup", [False, True])` is an addition: the first value is the
    baseline, every other one may be a culprit. The sampler trains the baseline on a few seeds,
    then everything on, then whatever tells most, and confirms what it found; `verdict(study)`
    says what that is. `trial.user_attrs["bisect_seed"]` is the seed to train on: arms that are
    compared share theirs. Give all such parameters in every trial; one that is suggested in
    some trials only is held at its first value.

    Args:
        min_effect: smallest harm worth a verdict, in units of the objective.
        confidence: probability at which a culprit is named.
        repeats: trials of the baseline before anything is compared with it.
        seed: the first seed; the k-th trial of any arm has `seed + k`.
        independent_sampler: chooses the numerical parameters; None holds them in the middle
            of their range, so that trials differ in nothing but the additions.
        stop: whether `study.optimize` ends once there is a verdict. If not, or if it is called
            again, further trials repeat the confirmation.
    """

    def __init__(
        self,
        min_effect: float,
        *,
        confidence: float = 0.99,
        repeats: int = 3,
        seed: int = 0,
        independent_sampler: BaseSampler | None = None,
        stop: bool = True,
    ) -> None:
        self._terms = Terms(min_effect, confidence, repeats, seed)
        self._independent = independent_sampler
        self._stop = stop

    def reseed_rng(self) -> None:
        """Reseed what chooses the numerical parameters; there is no other chance in here."""
        if self._independent:
            self._independent.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Decide what to train, and write it down where other workers see it."""
        _insist_on_one_objective(study)
        if _attributes(study).get(TERMS) != asdict(self._terms):
            _set_attribute(study, TERMS, asdict(self._terms))
        for key, value in _plan(study, trial, self._terms).items():
            _mark(study, trial, key, value)
        if self._independent:
            self._independent.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The additions known so far: none before the first trial has ended."""
        _insist_on_one_objective(study)
        return {s.name: s.distribution for s in switches(_trials(study))}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, object]:
        """The values that switch on what was decided before the trial."""
        if ON not in trial.user_attrs:
            self.before_trial(study, trial)
        on = trial.user_attrs[ON]
        known = (s for s in switches(_trials(study)) if s.name in search_space)
        return {s.name: s.value(on) for s in known}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> object:
        """The first value of a categorical parameter; a numerical one as the user wants it."""
        _insist_on_one_objective(study)
        if isinstance(param_distribution, CategoricalDistribution):
            first = param_distribution.choices[0]
            if any(t.state is TrialState.COMPLETE for t in _trials(study)):
                warnings.warn(
                    f"`{param_name}` is not suggested by every trial: held at {first!r}, "
                    "it is no suspect. Suggest it before any condition to make it one.",
                    stacklevel=2,
                )
            return first
        if self._independent:
            return self._independent.sample_independent(
                study, trial, param_name, param_distribution
            )
        return middle(param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Say what has been found so far, and end the study once that is a verdict."""
        if self._independent:
            self._independent.after_trial(study, trial, state, values)
        if state is TrialState.FAIL:
            _mark(study, trial, ENDED, value=True)
        session = _standing(study, self._terms, [_ended(trial, state, values)])
        if session is None:
            return
        _set_attribute(study, VERDICT, _as_json(_found(session)))
        if self._stop and session.conclusion:
            with suppress(RuntimeError):  # asked and told by hand: there is no loop to stop
                study.stop()


def verdict(study: Study) -> Concluded:
    """What a study has found: what was concluded, or the likeliest explanation so far.

    Raises:
        ValueError: no trial of the study was asked for by a `BisectSampler`, or none has
            suggested a categorical parameter.
    """
    terms = _attributes(study).get(TERMS)
    session = _standing(study, Terms(**terms), []) if terms else None
    if session is None:
        raise ValueError(
            f"study `{study.study_name}` has no trial of a BisectSampler with a categorical "
            "parameter: pass `sampler=BisectSampler(min_effect=...)` and optimize it first"
        )
    return _found(session)


def middle(distribution: BaseDistribution) -> float | int:
    """The middle of a numerical range, of its exponents where it is logarithmic."""
    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            value = sqrt(low * high) if log else low + (high - low) / 2
            return low + round((value - low) / step) * step if step else value
        case IntDistribution(low=low, high=high, log=log, step=step):
            value = sqrt(low * high) if log else low + (high - low) / 2
            return low + int((value - low) / step) * step
        case _:
            raise TypeError(f"{distribution} has no middle")


@dataclass(frozen=True, slots=True)
class _Search:
    """How far a study has come, and what it asks for next."""

    session: Session
    asks: tuple[Trial, ...]


def _search(study: Study, terms: Terms, trials: Sequence[FrozenTrial], slots: int) -> _Search:
    """The first search that asks for something or found something; else the last one."""
    found, direction = switches(trials), _direction(study)
    for experiment in experiments(terms, found, direction):
        search = _steered(read(experiment, found, trials), slots)
        end = search.session.conclusion
        if end is None or end.ruling is not Ruling.NOTHING_BREAKS:
            break
    return search


def _steered(session: Session, slots: int) -> _Search:
    while (decision := steer(session, slots, PHASES)) is not None:
        if decision.record is None:
            return _Search(session, decision.ask)
        event = decision.record
        if isinstance(event, Accused):
            event = replace(event, trials=1 + max(e.trial.number for e in session.launched))
        session = session.add(event)
    return _Search(session, ())


def _plan(study: Study, trial: FrozenTrial, terms: Terms) -> Mapping[str, object]:
    """What a new trial is for, as its user attributes.

    Workers that ask at the same time see the same study. Each leaves to those whose trials
    have lower numbers, and are still without a plan, what they will find first.
    """
    trials = _trials(study)
    earlier = [t for t in trials if t.number < trial.number]
    if not switches(trials):
        return {SEED: terms.seed + len(earlier), PURPOSE: Purpose.BASELINE.value, ON: []}
    gone = lost(trials)
    before = sum(unplanned(t) and t.number not in gone for t in earlier)
    search = _search(study, terms, trials, before + 1)
    session = search.session
    asks = [*search.asks]
    while len(asks) <= before:
        others = (replace(ask, number=trial.number + i) for i, ask in enumerate(asks))
        launched = (Launched(other, "") for other in others)
        later = Session(session.experiment, (*session.events, *launched))
        asks.append(_spare(later))
    ask, accused = asks[before], session.accusation
    told = {ACCUSED: accusation_as_json(accused)} if accused else {}
    # `ON` comes last: once it is there, other workers take the plan to be whole.
    return {SEED: ask.seed, PURPOSE: ask.purpose.value, **told, ON: sorted(ask.arm.additions)}


def _spare(session: Session) -> Trial:
    """Where nothing is asked for before others have ended: what may well be asked for next."""
    answer = () if session.conclusion else PLANNER.decide(session, 1)
    if isinstance(answer, tuple) and answer:
        return numbered(session, answer, Purpose.ISOLATE)[0]
    baseline, full = Arm(), Arm(session.experiment.full)
    arms = [baseline, full]
    if baseline_is_known(session):
        likeliest = next(iter(PLANNER.rank(session)), None)
        standing = session.accusation.suspect if session.accusation else likeliest
        if standing:
            # Not its parts: how often they are to be judged grows with how often they are asked for.
            rest = passing(session.experiment, standing.culprits)
            arms = [Arm(s) for s in (*standing.culprits, *rest)] or arms
    arm = min(arms, key=lambda a: seeds_used(session, a))
    purpose = Purpose.BASELINE if arm == baseline else Purpose.CONFIRM
    seed = session.experiment.seed + seeds_used(session, arm)
    return Trial(len(session.launched), arm, seed, purpose)


def _standing(study: Study, terms: Terms, ended: Sequence[FrozenTrial]) -> Session | None:
    """The search as it stands, `ended` taking the place of trials not yet stored as ended.

    None while no trial has shown what there is to search among.
    """
    known = {t.number: t for t in (*_trials(study), *ended)}
    trials = [known[number] for number in sorted(known)]
    return _search(study, terms, trials, 1).session if switches(trials) else None


def _found(session: Session) -> Concluded:
    """The conclusion; before there is one, the likeliest explanation."""
    if session.conclusion:
        return session.conclusion
    ranked = PLANNER.rank(session)
    because = f"{len(session.judged)} trials judged so far, and not yet enough"
    best = ranked[0]
    return Concluded(Ruling.INCONCLUSIVE, best.culprits, best.probability, because, ranked=ranked)


def _ended(trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> FrozenTrial:
    ended = copy(trial)
    ended.values = values
    ended.state = state
    return ended


def _as_json(found: Concluded) -> dict[str, object]:
    return {
        "ruling": found.ruling.value,
        "culprits": [sorted(c) for c in found.culprits],
        "confidence": found.confidence,
        "because": found.because,
    }


def _direction(study: Study) -> Direction:
    maximize = study.direction is StudyDirection.MAXIMIZE
    return Direction.MAXIMIZE if maximize else Direction.MINIMIZE


def _insist_on_one_objective(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError("BisectSampler needs a study with one objective: one value that decides")


# A study hides its trials from samplers under some pruners, and has no public way to write
# to a trial; samplers of Optuna's own go to the storage as well.


def _trials(study: Study) -> list[FrozenTrial]:
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def _attributes(study: Study) -> dict[str, Any]:
    return study._storage.get_study_user_attrs(study._study_id)


def _set_attribute(study: Study, key: str, value: object) -> None:
    study._storage.set_study_user_attr(study._study_id, key, value)


def _mark(study: Study, trial: FrozenTrial, key: str, value: object) -> None:
    """Store it, and let the trial at hand, which was read before, show it too."""
    study._storage.set_trial_user_attr(trial._trial_id, key, value)
    trial.set_user_attr(key, value)
