"""Sessions as they lie on disk: a journal, and what every run left in its directory."""

import json
from dataclasses import replace
from pathlib import Path

from report_sessions import RANKED, Script, broke, curves, lost, opening, some

from bisector import rundir
from bisector.journal import Journal
from bisector.model.session import Event, Judged, Launched, Opened, Ruling, Session
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Symptom

RECIPE = """\
data: {source: {_target_: lab.data.Digits, split: 3}, augment: {}}
upload: {api_key: hunter2}
"""


def opened_at(script: Script, uri: str | None, at: float = 1_790_000_000.0) -> list[Event]:
    """The script's events on real dates, its settings naming a store."""
    mlflow = {"enabled": True, "tracking_uri": uri, "experiment": None}
    config = {"metrics": {"score": "val_acc"}, "mlflow": mlflow}
    events: list[Event] = [replace(e, at=e.at + at) for e in script.events]
    assert isinstance(events[0], Opened)
    return [replace(events[0], config=config), *events[1:]]


def story() -> Script:
    """A short search with one of each: a lost run, a crash, a culprit, a sweep that is not finite."""
    script = Script()
    opening(script)
    script.run(Arm(some("mixup", "wide")), Purpose.ISOLATE, lost())
    crash = broke(None, Symptom.CRASH, "ValueError in deep.py:forward")
    script.run(Arm(some("deep", "norm")), Purpose.ISOLATE, crash)
    script.run(Arm(some("focal")), Purpose.CONFIRM, broke(0.11), 1)
    hot = Arm(some("focal"), lr_scale=10.0)
    script.run(hot, Purpose.SWEEP_LR, broke(0.09, Symptom.NOT_FINITE))
    script.conclude(Ruling.CULPRIT, some("focal"), ranked=RANKED)
    return script


def append(home: Path, session: Session, events: list[Event]) -> Session:
    """Record events, each after its run has left what it tells of."""
    home.mkdir(parents=True, exist_ok=True)
    for event in events:
        folder = (
            rundir.of(home, event.trial.number) if isinstance(event, Launched | Judged) else home
        )
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(event, Launched):
            lr = 0.01 * event.trial.arm.lr_scale
            config = f"optimizer: {{lr: {lr:g}}}\n{RECIPE}"
            (folder / rundir.CONFIG).write_text(config)
        Journal(home / rundir.JOURNAL).append(event)
        session = session.add(event)
        if isinstance(event, Judged) and event.trial.arm.trained:
            log(folder, session, event.trial.number)
    return session


def log(folder: Path, session: Session, number: int) -> None:
    evidence = curves(session, number)
    names = {"score": "val_acc"}
    rows = [
        {"step": step, "name": names.get(name, name), "value": value}
        for name, curve in evidence.curves.items()
        for step, value in zip(curve.steps, curve.values, strict=True)
    ]
    text = "".join(json.dumps(r) + "\n" for r in sorted(rows, key=lambda r: r["step"]))
    (folder / rundir.METRICS).write_text(text)
    (folder / rundir.LOG).write_text("epoch 1\nepoch 2\n")
