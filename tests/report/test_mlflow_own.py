"""What a command logged to MLflow by itself is found in the run that stands for its trial."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, LoggedModelOutput

from bisector.report.mlflow_own import adopt


@pytest.mark.filterwarnings("ignore")
def test_parameters_tags_and_artifacts_are_adopted_and_ours_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "000"
    theirs = MlflowClient((folder / "mlruns").as_uri())
    run = theirs.create_run(theirs.create_experiment("theirs")).info.run_id
    theirs.log_param(run, "width", 8)
    theirs.log_param(run, "seed", 99)
    theirs.set_tag(run, "note", "mine")
    theirs.log_text(run, "hello", "notes.txt")
    ours = MlflowClient((tmp_path / "store").as_uri())
    trial = ours.create_run(ours.create_experiment("ours")).info.run_id
    ours.log_param(trial, "seed", 0)
    for _ in range(2):
        adopt(ours, trial, Path("runs/000"))
    data = ours.get_run(trial).data
    assert data.params == {"seed": "0", "width": "8"}
    assert data.tags["note"] == "mine"
    assert [a.path for a in ours.list_artifacts(trial)] == ["notes.txt"]


@pytest.mark.filterwarnings("ignore")
def test_what_is_nested_in_a_run_its_data_and_its_models_are_adopted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = tmp_path / "runs" / "000"
    # A store that the script names by itself, in its working folder.
    theirs = MlflowClient((folder / "work" / "mlruns").as_uri())
    experiment = theirs.create_experiment("theirs")
    run = theirs.create_run(experiment).info.run_id
    theirs.set_tag(run, "mlflow.note.content", "mine")
    theirs.log_inputs(run, [DatasetInput(Dataset("ramp", "abc", "code", "here"))])
    fold = theirs.create_run(experiment, tags={"mlflow.parentRunId": run}, run_name="fold 1")
    for step in (1, 2):
        theirs.log_metric(fold.info.run_id, "acc", step / 4, step=step)
    theirs.log_text(fold.info.run_id, "hello", "fold.txt")
    theirs.set_terminated(fold.info.run_id)
    model = theirs.create_logged_model(experiment, "net", run)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "MLmodel").write_text("x")
    theirs.log_model_artifacts(model.model_id, str(tmp_path / "weights"))
    theirs.log_outputs(run, [LoggedModelOutput(model.model_id, 3)])
    ours = MlflowClient(f"sqlite:///{tmp_path}/ours.db")
    place = ours.create_experiment("ours", (tmp_path / "kept").as_uri())
    trial = ours.create_run(place).info.run_id
    for _ in range(2):
        adopt(ours, trial, folder)
    whole = ours.get_run(trial)
    assert whole.data.tags["mlflow.note.content"] == "mine"
    assert [d.dataset.name for d in whole.inputs.dataset_inputs] == ["ramp"]
    (below,) = (r for r in ours.search_runs([place]) if r.info.run_id != trial)
    assert below.data.tags["mlflow.parentRunId"] == trial
    assert (below.info.run_name, below.info.status) == ("fold 1", "FINISHED")
    history = ours.get_metric_history(below.info.run_id, "acc")
    assert [(m.step, m.value) for m in history] == [(1, 0.25), (2, 0.5)]
    assert [a.path for a in ours.list_artifacts(below.info.run_id)] == ["fold.txt"]
    (output,) = whole.outputs.model_outputs
    assert ours.get_logged_model(output.model_id).name == "net"
    assert [a.path for a in ours.list_logged_model_artifacts(output.model_id)] == ["MLmodel"]
