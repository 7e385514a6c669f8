"""The session in MLflow: one parent run, one child run for each trial.

A function of the journal and the run directories, written by one process that nothing
waits for. Every write may be made twice: times, keys and steps come from the journal, so
a second one changes nothing, and a run is found again by its tag `bisect.key`.
"""

import getpass
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric, RunTag
from mlflow.tracking import MlflowClient

from bisector import rundir
from bisector.model.evidence import Curve
from bisector.model.experiment import Experiment
from bisector.model.finding import Facts
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Trial
from bisector.report import mlflow_run as run
from bisector.report.html import nothing_seen
from bisector.report.mlflow_cursor import Cursor, RunMark
from bisector.report.mlflow_page import (
    SHARED_VIEW,
    arm_in_brief,
    culprits,
    deciding,
    links,
    note,
    parent_name,
    run_name,
    session_key,
    views,
)
from bisector.report.mlflow_pictures import pages
from bisector.report.mlflow_rows import (
    DELTA,
    baseline_mean,
    data_of,
    delta,
    launch_tags,
    params,
)
from bisector.report.mlflow_run import ms
from bisector.report.mlflow_store import (
    AWAY,
    analyse,
    artifacts_of,
    experiment_of,
    open_store,
    runs_tagged,
)
from bisector.report.why import reason_in_brief

KEY, SESSION, PARENT = "bisect.key", "bisect.session", "mlflow.parentRunId"
REPORTS = ("report.html", "report.md")
"""Files of the session's folder that are kept with the parent."""
_KEEP_EVERY = 2.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A store that answered, and what it holds of the session."""

    client: MlflowClient
    cursor: Cursor
    told: dict[str, str]
    """Tags as this process last wrote them."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """What the session knows of a trial."""

    trial: Trial
    start: int
    """In milliseconds; later than that of the trial before, so that the pages keep their order."""
    judged: Judged | None


class MlflowView:
    """Keeps a session's runs in one store up to date; nothing is opened before the first sync."""

    def __init__(
        self,
        home: Path,
        tracking_uri: str,
        experiment_name: str,
        facts: Callable[[int], Facts] = nothing_seen,
    ) -> None:
        self._home, self._uri, self._name = home, tracking_uri, experiment_name
        self._facts = facts
        self._open: _Open | None = None
        self._curves: dict[int, dict[str, Curve]] = {}
        self._kept = 0.0

    def sync(self, session: Session) -> int:
        """Write what the store lacks; how many trials were brought up to date.

        Raises:
            AWAY: the store cannot be reached or written; call again, nothing is lost.
        """
        return self._write(session, closing=False)

    def close(self, session: Session) -> int:
        """The same, for the last time: what still runs counts as killed, the reports are kept."""
        return self._write(session, closing=True)

    def _write(self, session: Session, *, closing: bool) -> int:
        try:
            if self._open is None:
                self._open = self._connect(session)
            return self._bring_up(self._open, session, closing=closing)
        except AWAY:
            # The answer to a call that failed may be lost though the call was not: look again.
            was, self._open = self._open, None
            if was:
                was.cursor.save(self._home)
            raise

    def _bring_up(self, to: _Open, session: Session, *, closing: bool) -> int:
        changed = self._trials(to, session)
        changed |= self._effects(to, session)
        self._parent(to, session)
        self._status(to, session, closing=closing)
        # Last, because many a server takes rows and refuses files.
        self._attach(to, session, closing=closing)
        to.cursor.events = len(session.events)
        to.cursor.save(self._home)
        if closing:
            analyse(self._uri)
        return len(changed)

    def _keep(self, to: _Open) -> None:
        """Save the cursor, but not for every run: what is written twice does no harm."""
        now = time.monotonic()
        if now - self._kept > _KEEP_EVERY:
            self._kept = now
            to.cursor.save(self._home)

    def _connect(self, session: Session) -> _Open:
        client = open_store(self._uri)
        artifacts = artifacts_of(self._uri, self._home.parent)
        experiment_id = experiment_of(client, self._name, artifacts)
        key = session_key(session)
        known = Cursor.load(self._home)
        if known is None or (known.session, known.store) != (key, self._uri):
            known = Cursor(key, self._uri)
        if known.experiment_id != experiment_id:
            known = Cursor(key, self._uri, experiment_id)
        found: dict[str, str] = {}
        for r in runs_tagged(client, experiment_id, RunTag(SESSION, key)):
            found.setdefault(r.data.tags[KEY], r.info.run_id)
        _reconcile(known, found)
        to = _Open(client, known, {})
        self._adopt(to, session)
        return to

    def _adopt(self, to: _Open, session: Session) -> None:
        """Have a parent, and every child know it."""
        cursor = to.cursor
        if cursor.parent_id:
            return
        tags = {KEY: cursor.session, SESSION: cursor.session, **_origin()}
        start = ms(session.events[0].at)
        name = parent_name(session)
        parent = to.client.create_run(cursor.experiment_id, start, tags, name)
        cursor.parent_id, cursor.status = parent.info.run_id, "RUNNING"
        for mark in cursor.runs.values():
            to.client.set_tag(mark.run_id, PARENT, cursor.parent_id)

    def _trials(self, to: _Open, session: Session) -> set[int]:
        changed = set()
        for seen in _trials(session):
            mark = to.cursor.runs.get(seen.trial.number)
            if mark and mark.ended:
                continue
            mark = mark or self._create(to, session.experiment, seen)
            if self._trial(to, session.experiment, seen, mark):
                changed.add(seen.trial.number)
                self._keep(to)
        return changed

    def _create(self, to: _Open, experiment: Experiment, seen: _Trial) -> RunMark:
        cursor, trial = to.cursor, seen.trial
        tags = {
            KEY: _key(cursor.session, trial.number),
            SESSION: cursor.session,
            PARENT: cursor.parent_id,
            **_origin(),
            **launch_tags(trial, arm_in_brief(experiment, trial.arm)),
        }
        name = run_name(experiment, trial)
        made = to.client.create_run(cursor.experiment_id, seen.start, tags, name)
        mark = cursor.runs[trial.number] = RunMark(made.info.run_id)
        self._keep(to)
        return mark

    def _trial(self, to: _Open, experiment: Experiment, seen: _Trial, mark: RunMark) -> bool:
        """Bring one trial's run up to date; whether it was behind."""
        folder = rundir.of(self._home, seen.trial.number)
        behind = not mark.described or seen.judged is not None
        if not mark.described:
            config = run.config_of(folder)
            told = params(experiment, seen.trial, config)
            run.describe(to.client, mark.run_id, told, data_of(config))
            mark.described = True
        for _ in run.follow(to.client, mark, rundir.metrics_of(folder), seen.start):
            self._keep(to)
            behind = True
        if seen.judged:
            run.end(to.client, mark.run_id, seen.judged, seen.start)
            mark.ended = True
        return behind

    def _effects(self, to: _Open, session: Session) -> set[int]:
        """How far each run is from the baseline, which moves while the baseline is being run."""
        base = baseline_mean(session)
        moved = max((e.at for e in session.runs(Arm())), default=0.0)
        changed = set()
        for event in session.judged:
            mark = to.cursor.runs[event.trial.number]
            value = delta(session.experiment, event, base)
            if value is not None and value != mark.delta:
                row = Metric(DELTA, value, ms(max(event.at, moved)), 0)
                to.client.log_batch(mark.run_id, metrics=[row])
                mark.delta = value
                changed.add(event.trial.number)
        return changed

    def _parent(self, to: _Open, session: Session) -> None:
        end = session.conclusion
        tags = {
            "verdict": end.ruling.value if end else "searching",
            "culprit": culprits(session) or ("none" if end else "none yet"),
            "confidence": f"{end.confidence:.3f}" if end else "none yet",
            "reason": reason_in_brief(session) or ("none" if end else "none yet"),
            "runs": str(len(session.judged)),
            "mlflow.runName": parent_name(session),
            "mlflow.note.content": note(
                session, links(session, to.cursor.experiment_id, to.cursor.parent_id)
            ),
        }
        fresh = _fresh(tags, to.told)
        run.tag(to.client, to.cursor.parent_id, fresh)
        to.told.update(fresh)
        made = views(session, to.cursor.parent_id)
        shared = _fresh({SHARED_VIEW + v.key: v.state for v in made}, to.told)
        for key, state in shared.items():
            to.client.set_experiment_tag(to.cursor.experiment_id, key, state)
        to.told.update(shared)
        to.cursor.view_key = made[0].key

    def _status(self, to: _Open, session: Session, *, closing: bool) -> None:
        """The parent's, and that of runs that nobody will end or that go on after all."""
        cursor, end = to.cursor, session.conclusion
        status = "FINISHED" if end else "KILLED" if closing else "RUNNING"
        if status == cursor.status:
            return
        at = ms(session.events[-1].at)
        waiting = [m.run_id for m in cursor.runs.values() if not m.ended]
        for run_id in [cursor.parent_id, *waiting]:
            own = status if run_id == cursor.parent_id or status == "RUNNING" else "KILLED"
            if own == "RUNNING":
                to.client.update_run(run_id, own)
            else:
                to.client.set_terminated(run_id, own, at)
        cursor.status = status

    def _attach(self, to: _Open, session: Session, *, closing: bool) -> None:
        known = len(session.runs(Arm())) >= session.experiment.budget.repeats
        draw = known or closing or session.conclusion is not None
        for event in session.judged:
            mark = to.cursor.runs[event.trial.number]
            folder = rundir.of(self._home, event.trial.number)
            if not mark.attached:
                run.attach(to.client, mark.run_id, folder)
                mark.attached = True
                self._keep(to)
            if draw and not mark.pictured:
                self._picture(to, session, event, mark)
                self._keep(to)
        self._pages(to, session)
        reports = [self._home / name for name in REPORTS if closing]
        for path in (p for p in reports if p.exists()):
            to.client.log_artifact(to.cursor.parent_id, str(path))

    def _pages(self, to: _Open, session: Session) -> None:
        """Pictures of what the network received, and of the inside of watched runs."""
        cursor = to.cursor
        for page in pages(session, self._home, self._facts):
            run_id = cursor.parent_id if page.trial is None else cursor.runs[page.trial].run_id
            if (key := f"{run_id}/{page.path}") not in cursor.pages:
                to.client.log_text(run_id, page.make(), page.path)
                cursor.pages.append(key)
                self._keep(to)

    def _picture(self, to: _Open, session: Session, event: Judged, mark: RunMark) -> None:
        number = event.trial.number
        others = [e.trial.number for e in session.runs(Arm()) if e.trial.number != number]
        title = f"{run_name(session.experiment, event.trial)}: {event.verdict.outcome.value}"
        shown = [run.curves_of(rundir.of(self._home, number)), *map(self._baseline, others)]
        run.picture(to.client, mark.run_id, title, deciding(session), shown)
        mark.pictured = True

    def _baseline(self, number: int) -> Mapping[str, Curve]:
        if number not in self._curves:
            self._curves[number] = run.curves_of(rundir.of(self._home, number))
        return self._curves[number]


def _origin() -> dict[str, str]:
    """Who made a run, and with what: two columns of the pages."""
    told = {"mlflow.source.name": "bisect", "mlflow.source.type": "LOCAL"}
    # A container may have no name for its user.
    with suppress(KeyError, OSError):
        told["mlflow.user"] = getpass.getuser()
    return told


def _key(session: str, number: int) -> str:
    return f"{session}/{number:03d}"


def _fresh(tags: Mapping[str, str], told: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in tags.items() if told.get(k) != v}


def _trials(session: Session) -> Iterator[_Trial]:
    judged = {e.trial.number: e for e in session.judged}
    start = ms(session.events[0].at)
    for event in session.started:
        start = max(start + 1, ms(event.at))
        yield _Trial(event.trial, start, judged.get(event.trial.number))


def _reconcile(cursor: Cursor, found: Mapping[str, str]) -> None:
    """Believe the store: forget runs that it lacks, and know those that the cursor lacks."""
    cursor.parent_id = found.get(cursor.session, "")
    there = set(found.values())
    cursor.runs = {n: m for n, m in cursor.runs.items() if m.run_id in there}
    for key, run_id in found.items():
        _, _, number = key.partition("/")
        if number:
            cursor.runs.setdefault(int(number), RunMark(run_id))
