"""A session as a study in an Optuna storage."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import report_sessions as rs

from bisector.journal import Journal
from bisector.model.session import Opened, Session
from bisector.model.verdict import Outcome
from bisector.report.optuna_view import OptunaView, study_name
from bisector.rundir import JOURNAL


def study(session: Session, storage: str) -> optuna.Study:
    return optuna.load_study(study_name=study_name(session), storage=storage)


def test_every_judged_run_is_a_trial_and_none_is_written_twice(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/o.db"
    session = rs.one_culprit().session
    half = replace(session, events=session.events[: len(session.events) // 2])
    first = OptunaView(storage)
    assert first.sync(half) == len(half.judged)
    assert OptunaView(storage).sync(session) == len(session.judged) - len(half.judged)
    trials = study(session, storage).get_trials()
    assert len(trials) == len(session.judged)
    for trial, event in zip(trials, session.judged, strict=True):
        assert {n for n, on in trial.params.items() if on is True} == event.trial.arm.additions
        assert trial.params["lr_scale"] == event.trial.arm.lr_scale
        assert trial.user_attrs["outcome"] == event.verdict.outcome
    assert "`focal` breaks training" in study(session, storage).user_attrs["verdict"]


def test_a_run_without_a_score_has_no_value_that_a_chart_would_show(tmp_path: Path) -> None:
    script = rs.Script()
    rs.opening(script, rs.broke(None))
    storage = f"sqlite:///{tmp_path}/o.db"
    OptunaView(storage).sync(script.session)
    broken = [e for e in script.session.judged if e.verdict.outcome is Outcome.BROKEN]
    trials = study(script.session, storage).get_trials()
    assert [t.value for t in trials].count(None) == len(broken) > 0


def test_the_child_keeps_it_where_the_configuration_says_so_and_without_mlflow(
    tmp_path: Path,
) -> None:
    home = tmp_path / "digits"
    home.mkdir()
    storage = f"sqlite:///{tmp_path}/o.db"
    session = rs.one_culprit().session
    opened = session.events[0]
    assert isinstance(opened, Opened)
    config = {**opened.config, "mlflow": {"enabled": False}, "optuna": {"storage": storage}}
    events = (replace(opened, config=config), *session.events[1:])
    journal = Journal(home / JOURNAL)
    for event in events:
        journal.append(event)
    command = [sys.executable, "-m", "bisector.cli.follow", str(home)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(study(session, storage).get_trials()) == len(session.judged)
    assert not (tmp_path / "mlflow.db").exists()
