"""Three projects as other people write them: `bisect` finds the culprit in each, with no edit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

PROJECTS = Path(__file__).parent / "projects"
SETTINGS = ("launcher.slots=2", "launcher.gpus=none", "--plain", "budget.confidence=0.95")


def searched(folder: Path, project: str, *words: str) -> dict[str, object]:
    """The conclusion of a search in a copy of a project; nothing of it may be changed."""
    shutil.copytree(PROJECTS / project, folder, dirs_exist_ok=True)
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    command = [sys.executable, "-m", "bisector", "run", *words, *SETTINGS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    inside = {p for p in folder.rglob("*") if p.is_file() and "out" not in p.parts}
    assert {p: p.read_bytes() for p in inside} == before
    (journal,) = folder.glob("out/*/journal.jsonl")
    conclusion: dict[str, object] = json.loads(journal.read_text().splitlines()[-1])
    return conclusion


def test_an_argparse_script_that_prints_its_metrics(tmp_path: Path) -> None:
    end = searched(
        tmp_path,
        "argparse_script",
        *("--baseline", f"{sys.executable} train.py --lr 0.5 --seed {{seed}}"),
        *("--add", "noise: --noise 0.1 --momentum 0.5", "--add", "standardize: --standardize"),
        *("--add", "smoothing: --label-smoothing 0.1 --weight-decay 1e-4"),
        *("--metric", "val acc ([0-9.]+)", "--higher", "mlflow.enabled=false"),
        *("budget.repeats=2", "budget.confirm=1", "find=first"),
    )
    assert end["culprits"] == [["standardize"]]


@pytest.mark.slow
def test_a_hydra_application_that_logs_to_mlflow(tmp_path: Path) -> None:
    end = searched(
        tmp_path,
        "hydra_mlflow",
        *("--baseline", f"{sys.executable} train.py seed={{seed}}", "--spelling", "hydra"),
        *("--add", "schedule: schedule=cosine", "--add", "momentum: optimizer=momentum"),
        *("--add", "noise: data.noise=0.1", "--metric", "val/acc", "--higher"),
    )
    assert end["culprits"] == [["schedule"]]
    (store,) = tmp_path.glob("out/*.db")
    client = MlflowClient(f"sqlite:///{store}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = [r for r in client.search_runs(experiments) if "mlflow.parentRunId" in r.data.tags]
    assert runs
    for run in runs:
        assert run.data.params["schedule"] in ("constant", "cosine"), "the script's own parameter"
        readings = client.get_metric_history(run.info.run_id, "val/acc")
        assert [m.step for m in readings] == list(range(len(readings)))
        assert readings
        assert "config.json" in [a.path for a in client.list_artifacts(run.info.run_id)]


@pytest.mark.slow
def test_a_lightning_module_that_writes_csv(tmp_path: Path) -> None:
    end = searched(
        tmp_path,
        "lightning_module",
        *("--baseline", f"{sys.executable} train.py --lr 0.01 --seed {{seed}}"),
        *("--add", "dropout: --dropout 0.1", "--add", "norm: --frozen_batch_norm"),
        *("--add", "clip: --clip 1", "--metric", "val_acc", "--higher"),
        *("mlflow.enabled=false", "read.files=[logs/**/metrics.csv]"),
    )
    assert end["culprits"] == [["norm"]]
