"""Pictures of runs in a real SQLite store: with the runs they belong to, and with the parent."""

from pathlib import Path

import pytest
from mlflow_places import Place, Places
from mlflow_sessions import story
from report_sessions import broke, some, trained
from test_heat_picture import HISTOGRAMS, WEIGHTS
from test_inspected import GALLERY

from bisector import rundir
from bisector.model.finding import Facts
from bisector.model.trial import Arm, Purpose
from bisector.report.mlflow import MlflowView
from bisector.report.mlflow_page import tracking
from bisector.rundir import write_json


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("out with a space"))


@pytest.fixture(scope="module")
def pictured(places: Places) -> Place:
    """A search whose baseline was looked at, and whose culprit was watched."""
    script = story()
    ended = script.events.pop()
    script.run(Arm(trained=False), Purpose.INSPECT, trained(0.0))
    script.run(Arm(some("focal"), watched=True), Purpose.EXPERIMENT, broke(0.1))
    script.events.append(ended)
    place = places(script)
    place.go_on()
    drawn = {"drawn": {"gallery": GALLERY}, "absent": {}}
    write_json(rundir.of(place.home, 8) / rundir.PICTURES, drawn)
    (rundir.of(place.home, 9) / rundir.OBSERVATIONS).write_text("")
    view_of(place).close(place.session)
    return place


def seen(number: int) -> Facts:
    return {"run_weights": WEIGHTS, "run_histograms": HISTOGRAMS}


def view_of(place: Place) -> MlflowView:
    return MlflowView(place.home, *tracking(place.session, place.home), seen)


def test_pictures_are_kept_with_the_runs_they_belong_to_and_with_the_parent(
    pictured: Place,
) -> None:
    place = pictured
    client, runs = place.client, {r.info.run_name: r.info.run_id for r in place.found()}
    kept = [a.path for a in client.list_artifacts(place.cursor.parent_id, "pictures")]
    assert kept == ["pictures/inside-009-focal.html", "pictures/received-008-baseline.html"]
    inside = client.download_artifacts(runs["09 +focal"], "inside.html")
    page = Path(inside).read_text(encoding="utf-8")
    assert "<title>focal watched, run 9</title>" in page
    assert 'class="heat' in page
    assert 'class="small' in page
    received = client.download_artifacts(runs["00 baseline"], "received.html")
    assert "What the network receives" in Path(received).read_text(encoding="utf-8")
    own = [a.path for a in client.list_artifacts(runs["01 baseline"])]
    assert "received.html" not in own, "one run of the arm has it"


def test_pictures_are_written_once_and_again_for_a_run_that_somebody_deleted(
    pictured: Place,
) -> None:
    place = pictured
    before = place.cursor.pages
    assert len(before) == len(set(before)) == 4
    view_of(place).close(place.session)
    assert place.cursor.pages == before
    gone = next(r.info.run_id for r in place.found() if r.info.run_name == "09 +focal")
    place.client.delete_run(gone)
    view_of(place).close(place.session)
    assert len(place.cursor.pages) == 5
