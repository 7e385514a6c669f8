"""The session as a study in an Optuna storage, for Optuna's dashboard to show.

A view like that in MLflow: made from the journal by a process that nothing waits for, and
never read back. A trial is written once, when it has been judged.
"""

from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from bisector.model.experiment import Direction
from bisector.model.session import Judged, Session
from bisector.model.verdict import Outcome, Verdict
from bisector.report.arms import arm_name
from bisector.report.findings import sentence
from bisector.report.mlflow_page import session_key
from bisector.report.reading import read

GONE = (StorageInternalError, SQLAlchemyError, OSError)
"""What a storage raises that cannot be reached or will not be written."""
NUMBER = "bisect.trial"
"""The attribute by which a trial is found again."""

_SCALES = FloatDistribution(1e-6, 1e6, log=True)


class OptunaView:
    """Keeps a session's study in one storage up to date; nothing is opened before the first sync."""

    def __init__(self, storage: str) -> None:
        self._storage = storage
        self._study: optuna.Study | None = None
        self._written: set[int] = set()

    def sync(self, session: Session) -> int:
        """Write what the storage lacks; how many trials that were.

        Raises:
            GONE: the storage cannot be reached or written; call again, nothing is lost.
        """
        study = self._study or self._open(session)
        missing = [e for e in session.judged if e.trial.number not in self._written]
        for event in missing:
            study.add_trial(_trial(session, event))
            self._written.add(event.trial.number)
        if session.conclusion:
            study.set_user_attr("verdict", sentence(read(session, ())))
        return len(missing)

    close = sync

    def _open(self, session: Session) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        higher = session.experiment.metric.direction is Direction.MAXIMIZE
        study = optuna.create_study(
            storage=self._storage,
            study_name=study_name(session),
            direction="maximize" if higher else "minimize",
            load_if_exists=True,
        )
        self._written = {t.user_attrs[NUMBER] for t in study.get_trials() if NUMBER in t.user_attrs}
        self._study = study
        return study


def study_name(session: Session) -> str:
    """The experiment's name, with what tells this search from an earlier one of that name."""
    return f"{session.experiment.name} {session_key(session)[:6]}"


def _trial(session: Session, event: Judged) -> FrozenTrial:
    verdict, trial = event.verdict, event.trial
    space = _space(session, event)
    state = _state(verdict)
    made = create_trial(
        state=state,
        value=verdict.score if state is TrialState.COMPLETE else None,
        params={key: value for key, (value, _) in space.items()},
        distributions={key: distribution for key, (_, distribution) in space.items()},
        user_attrs={
            NUMBER: trial.number,
            "arm": arm_name(session.experiment, trial.arm),
            "purpose": trial.purpose.value,
            "seed": trial.seed,
            "outcome": verdict.outcome.value,
            "symptom": verdict.signature.symptom.value if verdict.signature else "",
            "because": verdict.because,
        },
    )
    made.datetime_start = datetime.fromtimestamp(event.at - event.seconds)
    made.datetime_complete = datetime.fromtimestamp(event.at)
    return made


def _state(verdict: Verdict) -> TrialState:
    """Complete with a score; pruned if it is known to be broken without one; else failed."""
    if verdict.outcome is Outcome.UNRESOLVED:
        return TrialState.FAIL
    if verdict.score is not None:
        return TrialState.COMPLETE
    return TrialState.PRUNED if verdict.early else TrialState.FAIL


def _space(session: Session, event: Judged) -> dict[str, tuple[object, BaseDistribution]]:
    """What the trial's arm sets: each addition on or off, the learning rate, swept numbers."""
    arm = event.trial.arm
    on_or_off = CategoricalDistribution((False, True))
    told: dict[str, tuple[object, BaseDistribution]] = {
        a.name: (a.name in arm.additions, on_or_off) for a in session.experiment.additions
    }
    told["lr_scale"] = (arm.lr_scale, _SCALES)
    for tweak in arm.tweaks:
        key, _, value = tweak.partition("=")
        if (number := _number(value)) is not None:
            told[key] = (number, FloatDistribution(min(number, 0.0), max(number, 1.0)))
    return told


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
