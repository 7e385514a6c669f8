"""The view of a session in a real SQLite store, written from its journal and run directories."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from mlflow_places import Place, Places
from mlflow_sessions import append, opened_at, story
from report_sessions import Script, broke, lost, some, trained

from bisector import rundir
from bisector.model.experiment import Sweep
from bisector.model.session import Launched, Session
from bisector.model.trial import Arm, Purpose
from bisector.report.mlflow import MlflowView
from bisector.report.mlflow_page import tracking
from bisector.report.mlflow_store import AWAY


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("out with a space"))


@pytest.fixture(scope="module")
def whole(places: Places) -> Place:
    """A search that was written at one go."""
    place = places(story())
    place.go_on()
    assert place.view().close(place.session) == len(place.session.launched)
    return place


def test_a_search_written_event_by_event_is_as_one_written_at_once(
    places: Places, whole: Place
) -> None:
    place = places(story())
    place.go_on(1)
    view = place.view()
    for _ in range(0, len(place.events), 3):
        view.sync(place.session)
        place.go_on(3)
    view.close(place.session)
    assert place.everything() == whole.everything()


def test_writing_again_changes_nothing(whole: Place) -> None:
    before = whole.everything()
    assert whole.view().close(whole.session) == 0
    assert whole.everything() == before


def test_a_lost_cursor_makes_no_second_run(whole: Place) -> None:
    before, runs = whole.everything(), whole.cursor.runs
    (whole.home / "mlflow.json").unlink()
    whole.view().close(whole.session)
    assert whole.everything() == before
    assert {n: m.run_id for n, m in whole.cursor.runs.items()} == {
        n: m.run_id for n, m in runs.items()
    }


def test_a_writer_killed_between_a_write_and_its_note_makes_no_second_run(
    places: Places, whole: Place
) -> None:
    place, cursor = places(story()), "mlflow.json"
    place.go_on(6)
    place.view().sync(place.session)
    shutil.copy(place.home / cursor, place.home / "old")
    place.go_on(5)
    place.view().sync(place.session)
    shutil.copy(place.home / "old", place.home / cursor)
    place.go_on()
    place.view().close(place.session)
    assert place.everything() == whole.everything()


def test_a_run_that_somebody_deleted_is_written_again(places: Places) -> None:
    place = places(Script())
    place.go_on()
    place.view().sync(place.session)
    script = Script()
    script.run(Arm(), Purpose.BASELINE, trained())
    place = Place(place.home, script, place.events[0].at - script.events[0].at)
    place.session = Session(script.experiment, tuple(place.events[:1]))
    place.go_on()
    place.view().sync(place.session)
    gone = place.found()[0].info.run_id
    place.client.delete_run(gone)
    place.client.delete_run(place.cursor.parent_id)
    place.view().sync(place.session)
    assert [r.info.run_name for r in place.found()] == ["00 baseline"]
    assert place.found()[0].info.run_id != gone


def test_the_searches_that_people_make_find_what_they_mean(whole: Place) -> None:
    asked = "params.\"add.focal\" = 'true' and tags.outcome = 'broken'"
    with_focal = {e.trial.number for e in whole.session.judged if "focal" in e.trial.arm.additions}
    assert {int(r.info.run_name[:2]) for r in whole.found(asked)} == with_focal
    assert [r.info.run_name for r in whole.found("params.lr_scale = '10'")] == ["07 +focal lr x10"]
    assert [r.info.run_name for r in whole.found("params.`optimizer.lr` = '0.1'")] == [
        "07 +focal lr x10"
    ]


def test_a_child_says_what_happened_and_keeps_its_files(whole: Place) -> None:
    runs = {r.info.run_name: r for r in whole.found()}
    swept, crashed = runs["07 +focal lr x10"], runs["05 +deep+norm"]
    assert swept.data.tags["symptom"] == "not-finite"
    assert swept.data.tags["not_finite"] == "loss at step 110"
    assert swept.data.tags["ended"] == "early"
    assert swept.data.tags["purpose"] == "sweep-lr"
    assert swept.data.metrics["final/delta_vs_base"] == pytest.approx(0.09 - 0.97633, abs=1e-4)
    assert crashed.info.status == "FAILED"
    assert crashed.data.tags["failure"] == "ValueError in deep.py:forward"
    assert "final/score" not in crashed.data.metrics
    assert runs["04 +mixup+wide"].info.status == "KILLED"
    assert whole.everything()["06 +focal"]["artifacts"] == ["config.yaml", "curves.png", "log.txt"]


def test_a_child_names_its_data_and_tells_no_secret(whole: Place) -> None:
    run = whole.found()[0]
    [data] = run.inputs.dataset_inputs
    assert data.dataset.name == "Digits"
    assert "split" in data.dataset.source
    assert run.data.params["upload.api_key"] == "(concealed)"
    config = Path(whole.client.download_artifacts(run.info.run_id, "config.yaml")).read_text()
    assert "hunter2" not in config
    assert "_target_: lab.data.Digits" in config


def test_a_server_that_takes_rows_and_no_files_has_all_the_rows(places: Places) -> None:
    place = places(story())
    place.go_on()
    uri, _ = tracking(place.session, place.home)
    (places.out / "file").write_text("no folder can be made below this")
    place.client.create_experiment("no files", (places.out / "file" / "x").as_uri())
    with pytest.raises(AWAY):
        MlflowView(place.home, uri, "no files").close(place.session)
    assert len(place.found("tags.outcome != 'running'")) == len(place.session.judged)
    assert place.parent.info.status == "FINISHED"


def test_runs_begin_one_after_the_other_and_end_after_they_began(whole: Place) -> None:
    starts = [r.info.start_time for r in whole.found()]
    assert starts == sorted(set(starts))
    assert all(r.info.end_time > r.info.start_time for r in whole.found())
    assert whole.parent.info.start_time < starts[0]
    assert whole.parent.info.end_time >= max(r.info.end_time for r in whole.found())


def test_the_parent_carries_the_verdict_and_no_metric(whole: Place) -> None:
    parent, tags = whole.parent, whole.parent.data.tags
    assert parent.info.status == "FINISHED"
    assert (tags["verdict"], tags["culprit"], tags["confidence"]) == ("culprit", "focal", "0.994")
    assert "`focal`" in tags["mlflow.note.content"]
    assert parent.data.metrics == {}
    experiment = whole.client.get_experiment(whole.cursor.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert f"mlflow.sharedViewState.{whole.cursor.view_key}" in experiment.tags


def test_reports_that_lie_in_the_folder_are_kept_with_the_parent(whole: Place) -> None:
    (whole.home / "report.html").write_text("<p>focal</p>")
    whole.view().close(whole.session)
    (whole.home / "report.html").unlink()
    kept = whole.client.list_artifacts(whole.cursor.parent_id)
    assert [a.path for a in kept] == ["report.html"]


def test_an_interrupted_search_is_killed_and_runs_again_when_it_goes_on(places: Places) -> None:
    place = places(story())
    launches = [i for i, e in enumerate(place.events) if isinstance(e, Launched)]
    place.go_on(launches[4] + 1)
    first = place.view()
    first.sync(place.session)
    assert {r.info.status for r in place.found()[4:]} == {"RUNNING"}
    first.close(place.session)
    assert place.parent.info.status == "KILLED"
    assert place.found()[4].info.status == "KILLED"
    second = place.view()
    place.go_on(1)
    second.sync(place.session)
    assert place.parent.info.status == "RUNNING"
    place.go_on()
    second.close(place.session)
    assert place.parent.info.status == "FINISHED"
    assert "RUNNING" not in {r.info.status for r in place.found()}


def test_a_running_trial_shows_what_it_has_logged_so_far(places: Places) -> None:
    script = Script()
    script.launch(Arm(), Purpose.BASELINE)
    place = places(script)
    place.go_on()
    view, metrics = place.view(), rundir.of(place.home, 0) / rundir.METRICS
    metrics.write_text('{"step": 1, "name": "train/loss@1", "value": 2.5}\n')
    assert view.sync(place.session) == 1
    with metrics.open("a") as file:
        file.write('{"step": 2, "name": "train/loss@1", "value": 1.5}\n{"step": 3, "na')
    assert view.sync(place.session) == 1
    assert view.sync(place.session) == 0
    history = place.client.get_metric_history(place.found()[0].info.run_id, "train/loss_1")
    assert [(m.step, m.value) for m in history] == [(1, 2.5), (2, 1.5)]


def test_effects_move_with_the_baseline(places: Places) -> None:
    script = Script()
    script.run(Arm(), Purpose.BASELINE, trained(0.90), 0)
    script.run(Arm(some("focal")), Purpose.ISOLATE, trained(0.80), 0)
    script.run(Arm(), Purpose.BASELINE, trained(1.00), 1)
    place = places(script)
    place.go_on(5)
    view = place.view()
    view.sync(place.session)
    assert place.found()[1].data.metrics["final/delta_vs_base"] == pytest.approx(-0.10)
    place.go_on()
    view.sync(place.session)
    assert place.found()[1].data.metrics["final/delta_vs_base"] == pytest.approx(-0.15)


def test_a_plain_sweep_is_shown_by_its_settings(places: Places) -> None:
    script = Script()
    script.experiment = replace(script.experiment, sweep=Sweep(axes=()))
    tweak = ("recipe.optimizer.lr=0.1",)
    script.events[0] = replace(script.events[0], experiment=script.experiment)  # type: ignore[call-arg]
    script.run(Arm(tweaks=tweak), Purpose.SWEEP, broke(0.2))
    script.run(Arm(), Purpose.SWEEP, lost())
    place = places(script)
    place.go_on()
    place.view().close(place.session)
    assert [r.info.run_name for r in place.found()] == ["00 baseline lr=0.1", "01 baseline"]


def test_a_log_of_any_size_is_kept_as_its_end(places: Places) -> None:
    script = Script()
    script.run(Arm(), Purpose.BASELINE, trained())
    place = places(script)
    place.go_on()
    folder = rundir.of(place.home, 0)
    (folder / rundir.LOG).write_text("begin\n" + "x" * 5_000_000 + "\nend\n")
    place.view().close(place.session)
    local = place.client.download_artifacts(place.found()[0].info.run_id, "log.txt")
    text = Path(local).read_text()
    assert "begin" not in text
    assert text.endswith("end\n")
    assert len(text) < 4_100_000


def test_an_experiment_that_somebody_deleted_is_restored(whole: Place, places: Places) -> None:
    whole.client.delete_experiment(whole.cursor.experiment_id)
    place = places(Script())
    place.go_on()
    place.view().sync(place.session)
    kept = whole.client.search_experiments(ViewType.ACTIVE_ONLY)
    assert whole.cursor.experiment_id in {e.experiment_id for e in kept}


def test_a_store_that_cannot_be_written_says_so_and_is_complete_once_it_can(
    tmp_path: Path,
) -> None:
    script = Script()
    script.run(Arm(), Purpose.BASELINE, trained())
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    events = opened_at(script, f"sqlite:///{blocked}/mlflow.db")
    session = append(tmp_path / "out" / "x", Session(script.experiment), events)
    view = MlflowView(tmp_path / "out" / "x", *tracking(session, tmp_path / "out" / "x"))
    with pytest.raises(AWAY):
        view.sync(session)
    blocked.unlink()
    assert view.sync(session) == 1
    kept = {p.name for p in blocked.iterdir()}
    assert kept >= {"mlflow.db", "mlartifacts"}
    assert "mlflow.db.part" not in kept


def test_only_what_was_launched_and_judged_is_needed(places: Places) -> None:
    """Run directories may be gone: the verdicts are in the journal."""
    script = Script()
    script.run(Arm(), Purpose.BASELINE, trained())
    place = places(script)
    place.go_on()
    shutil.rmtree(place.home / "runs")
    place.view().close(place.session)
    assert place.found()[0].data.tags["outcome"] == "healthy"
    assert place.found()[0].data.params["add.focal"] == "false"
