"""Lightning, the Hugging Face Trainer and a Hydra application report to the search that runs them."""

import json
import subprocess
import sys
from pathlib import Path

import lightning
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bisector
from bisector.train.lightning_callback import BisectCallback
from bisector.train.trainable import run_here

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


@pytest.fixture
def rundir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BISECT_RUN_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run_here.cache_clear()
    yield tmp_path
    run_here.cache_clear()


def readings(rundir: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for line in (rundir / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["name"], []).append((row["step"], row["value"]))
    return found


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.log("val_acc", (self.net(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted() -> lightning.Trainer:
    loader = DataLoader(TensorDataset(X, Y), batch_size=16)
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, callbacks=[BisectCallback()],
    )  # fmt: skip
    trainer.fit(Module(), loader, loader)
    return trainer


@pytest.mark.filterwarnings("ignore")
def test_lightning_reports_the_loss_of_each_step_and_what_is_logged(rundir: Path) -> None:
    fitted()
    found = readings(rundir)
    assert [step for step, _ in found["loss"]] == list(range(1, 13))
    assert [step for step, _ in found["val_acc"]] == [4, 8, 12]
    assert json.loads((rundir / "facts.json").read_text()) == {"planned_steps": 12}


@pytest.mark.filterwarnings("ignore")
def test_lightning_ends_when_it_is_asked_to(rundir: Path) -> None:
    (rundir / "stop").touch()
    assert fitted().global_step < 12


HUGGING_FACE = """
import sys, torch
from torch import nn
from transformers import Trainer, TrainingArguments
from bisector.train.transformers_callback import BisectCallback

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)
    def forward(self, x, labels):
        logits = self.net(x)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
data = [{"x": a, "labels": int(a.sum() > 0)} for a in x]
args = TrainingArguments(output_dir="hf", num_train_epochs=3, per_device_train_batch_size=16,
    logging_steps=2, eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True,
    disable_tqdm=True)
Trainer(Net(), args, train_dataset=data, eval_dataset=data, callbacks=[BisectCallback()]).train()
"""


@pytest.mark.slow  # the library alone takes six seconds to be imported
def test_the_hugging_face_trainer_reports_what_it_logs(rundir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HUGGING_FACE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = readings(rundir)
    assert [step for step, _ in found["loss"]] == [2, 4, 6, 8, 10, 12]
    assert [step for step, _ in found["eval_loss"]] == [4, 8, 12]
    assert json.loads((rundir / "facts.json").read_text()) == {"planned_steps": 12}


APP = """
import bisector, hydra

@bisector.trainable
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    for step in range(3):
        bisector.log(step, loss=cfg.model.width / (step + 1))
    print("width", cfg.model.width)
    return {"acc": 0.5, "note": "x"}

if __name__ == "__main__":
    main()
"""
EXPERIMENT = """
defaults: [bisect_schema, launcher: local, planner: adaptive, config@recipe, _self_]
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "app:main"}
judge: {metric: acc}
additions: {wide: {overrides: ["model@recipe.model=wide"]}}
"""


def test_one_line_makes_a_hydra_application_a_training_function(tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    for name, text in {
        "config": "defaults: [model: small, _self_]\nhydra: {job: {chdir: false}}\n",
        "model/small": "width: 8\n",
        "model/wide": "width: 16\n",
        "search": EXPERIMENT,
    }.items():
        (tmp_path / "conf" / f"{name}.yaml").write_text(text)
    (tmp_path / "app.py").write_text(APP)
    alone = [sys.executable, "app.py", "model=wide"]
    assert subprocess.check_output(alone, cwd=tmp_path, text=True) == "width 16\n"
    search = [
        *(sys.executable, "-m", "bisector", "run", "conf=search", "--plain"),
        *("mlflow.enabled=false", "budget.repeats=2", "budget.trials=3", "launcher.gpus=none"),
    ]
    done = subprocess.run(search, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found = readings(tmp_path / "out" / "search" / "runs" / "000")
    assert found == {"loss": [(0, 8.0), (1, 4.0), (2, 8 / 3)], "acc": [(2, 0.5)]}


def test_outside_of_a_search_a_report_goes_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BISECT_RUN_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    run_here.cache_clear()
    bisector.log(1, loss=0.5)
    assert list(tmp_path.iterdir()) == []
