"""What is written to MLflow, without MLflow: names, limits, readings and pages."""

import json
import math
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name
from report_sessions import Script, broke, experiment, lost, needs_lr, one_culprit, some, trained

from bisector.model.experiment import Direction, Metric
from bisector.model.session import Judged, Opened
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Symptom
from bisector.report.mlflow_cursor import Cursor, RunMark
from bisector.report.mlflow_page import links, note, page, parent_name, run_name, session_key, views
from bisector.report.mlflow_readings import PIECE, Place, pieces
from bisector.report.mlflow_rows import delta, metric_key, params, status


def named(arm: Arm, number: int = 3) -> str:
    return run_name(experiment(), Trial(number, arm, 0, Purpose.ISOLATE))


def write(path: Path, rows: list[tuple[str, int, float]]) -> None:
    lines = [json.dumps({"step": s, "name": n, "value": v}) + "\n" for n, s, v in rows]
    with path.open("a") as file:
        file.writelines(lines)


def test_a_run_is_named_by_what_differs_first() -> None:
    full = experiment().full
    assert named(Arm()) == "03 baseline"
    assert named(Arm(some("focal"), lr_scale=10.0)) == "03 +focal lr x10"
    assert named(Arm(full)) == "03 all"
    assert named(Arm(full - some("focal"))) == "03 all -focal"
    assert named(Arm(tweaks=("recipe.optimizer.lr=0.1",))) == "03 baseline lr=0.1"
    assert named(Arm(some("a", "b", "c", "d", "e"))) == "03 +a+b+c+d+1 more"


def test_parameters_hold_every_addition_and_the_resolved_recipe() -> None:
    trial = Trial(0, Arm(some("focal"), lr_scale=0.1), 7, Purpose.CONFIRM)
    recipe = {"optimizer": {"lr": 0.01}, "widths": [8, 16], "seed": 3, "note": "x" * 7000}
    told = params(experiment(), trial, recipe)
    assert told["add.focal"] == "true"
    assert told["add.mixup"] == "false"
    assert (told["lr_scale"], told["optimizer.lr"], told["widths"]) == ("0.1", "0.01", "[8, 16]")
    assert told["seed"] == "7", "our own parameters win over the recipe's"
    assert len(told["note"]) == 6000


@given(st.text(max_size=300))
def test_any_name_becomes_one_that_mlflow_takes(name: str) -> None:
    key = metric_key(name)
    _validate_metric_name(key)
    assert 0 < len(key) <= 250
    assert metric_key(key) == key


def test_the_effect_is_negative_for_what_is_worse_whichever_way_the_metric_improves() -> None:
    trial = Trial(0, Arm(), 0, Purpose.ISOLATE)
    event = Judged(trial, trained(0.9), 1.0)
    rising = experiment(metric=Metric(direction=Direction.MAXIMIZE))
    falling = experiment(metric=Metric(direction=Direction.MINIMIZE))
    assert delta(rising, event, 0.95) == pytest.approx(-0.05)
    assert delta(falling, event, 0.95) == pytest.approx(0.05)
    assert delta(rising, event, None) is None
    assert delta(rising, replace(event, verdict=broke(math.nan)), 0.95) is None


def test_the_status_is_about_the_process_and_not_about_the_result() -> None:
    assert status(trained()) == "FINISHED"
    assert status(broke(symptom=Symptom.DIVERGED)) == "FINISHED"
    assert status(broke(None, Symptom.CRASH)) == "FAILED"
    assert status(broke(None, Symptom.TIMEOUT)) == "KILLED"
    assert status(lost()) == "KILLED"


def test_readings_are_read_on_from_where_the_last_look_ended(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert list(pieces(path, Place())) == []
    write(path, [("loss", 1, 0.5), ("loss", 2, math.inf)])
    [(first, place)] = pieces(path, Place())
    assert [(r.name, r.step, r.value, r.line) for r in first] == [
        ("loss", 1, 0.5, 0),
        ("loss", 2, math.inf, 1),
    ]
    with path.open("a") as file:
        file.write('{"step": 3, "name": "lo')
    assert list(pieces(path, place)) == []
    with path.open("a") as file:
        file.write(
            'ss", "value": NaN}\nnot json\n[1]\n{"step": 4, "name": "loss", "value": null}\n'
        )
    [(second, place)] = pieces(path, place)
    assert [(r.step, r.line) for r in second] == [(3, 2)]
    assert place.lines == 6
    assert list(pieces(path, place)) == []


def test_a_long_run_is_thinned_alike_however_it_is_read(tmp_path: Path) -> None:
    path, place, live = tmp_path / "metrics.jsonl", Place(), []
    for start in range(0, 12_000, 1_700):
        write(path, [("loss", s, 1.0 / (s + 1)) for s in range(start, start + 1_700)])
        for readings, after in pieces(path, place):
            live += readings
            place = after
    whole = [r for readings, _ in pieces(path, Place()) for r in readings]
    assert path.stat().st_size > 2 * PIECE
    assert live == whole
    assert len(whole) < 2_000
    assert [r.step for r in whole[:1_000]] == list(range(1_000))


def test_the_cursor_survives_being_written_and_damage_costs_nothing(tmp_path: Path) -> None:
    mark = RunMark("r", Place(10, 2, {"loss": 2}), described=True, delta=-0.25)
    cursor = Cursor("s", "sqlite:///x", "1", "p", "RUNNING", "v", 3, runs={0: mark})
    cursor.save(tmp_path)
    assert Cursor.load(tmp_path) == cursor
    (tmp_path / "mlflow.json").write_text('{"session": "s", "runs": {"0": {')
    assert Cursor.load(tmp_path) is None
    (tmp_path / "mlflow.json").write_text('{"session": "s", "runs": {"0": {"place": 3}}}')
    assert Cursor.load(tmp_path) is None


def test_two_searches_of_the_same_thing_are_told_apart() -> None:
    session = one_culprit().session
    opened = session.events[0]
    assert isinstance(opened, Opened)
    later = replace(session, events=(replace(opened, at=opened.at + 1), *session.events[1:]))
    again = session.add(replace(opened, at=opened.at + 5, fingerprint="other terms"))
    assert session_key(session) != session_key(later)
    assert session_key(session) == session_key(again)


def test_the_parent_says_the_verdict_in_its_name_and_in_its_note() -> None:
    assert parent_name(Script().session) == "digits"
    assert parent_name(one_culprit().session) == "digits: focal"
    text = note(needs_lr().session)
    assert text.startswith("## ")
    assert "`focal`" in text.splitlines()[0]
    assert "tags.outcome = 'broken'" in text
    assert "on their way" in note(Script().session)
    linked = note(needs_lr().session, links(needs_lr().session, "7", "p")).split("\n\n")
    assert (
        "(#/experiments/7/runs/p/artifacts/report.html?workflowType=machine_learning)" in linked[1]
    )


def test_a_note_and_a_view_fit_into_a_tag_however_many_additions_there_are() -> None:
    many = tuple(f"addition_number_{i}" for i in range(256))
    script = Script(experiment(many))
    for number in range(60):
        on = frozenset(many[number : number + 40])
        script.run(Arm(on), Purpose.ISOLATE, broke() if number % 2 else trained())
    assert len(note(script.session)) <= 5_000
    assert all(len(view.state) <= 5_000 for view in views(script.session, "f" * 32))


def test_the_view_shows_the_suspects_first_and_only_this_session() -> None:
    table, arms = views(one_culprit().session, "f00")
    state = json.loads(table.state)
    assert state["searchFilter"] == "tags.`mlflow.parentRunId` = 'f00'"
    columns = [c for c in state["columnOrder"] if c.startswith("params.`add.")]
    assert columns[0] == "params.`add.focal`"
    assert state["compareRunCharts"][0]["selectedParams"][-1] == "add.focal"
    assert json.loads(arms.state)["groupBy"] == "tag.average.arm"
    query = parse_qs(page("7", table.key).partition("?")[2])
    assert query["viewStateShareKey"] == [table.key]
