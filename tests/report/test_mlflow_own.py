"""What a command logged to MLflow by itself is found in the run that stands for its trial."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

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
