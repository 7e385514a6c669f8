"""Measurements are found where programs leave them, and what is not finite is never missed."""

import json
import math
import warnings
from pathlib import Path

import mlflow
import pytest
from torch.utils.tensorboard import SummaryWriter

from bisector.collect.readers import collector
from bisector.errors import ConfigError
from bisector.model.evidence import Curve, Evidence


def read(rundir: Path, log: str = "", **settings: object) -> Evidence:
    (rundir / "log.txt").write_text(log + "\n")
    return collector({}, settings).collect(rundir)


def values(evidence: Evidence) -> dict[str, tuple[float, ...]]:
    return {name: curve.values for name, curve in evidence.curves.items()}


PRINTED = {
    "pairs": ("epoch=3 loss=0.5 val_acc: 0.91", {"loss": 0.5, "val_acc": 0.91}),
    "words": ("iter 100: loss 3.25, time 23.12ms", {"loss": 3.25}),
    "parts": (
        "Epoch 1 | train loss 0.3 acc 0.8 | val loss 0.5 acc 0.7",
        {"loss": 0.3, "acc": 0.8, "val_loss": 0.5, "val_acc": 0.7},
    ),
    "share": (
        "Test set: Average loss: 0.0321, Accuracy: 9876/10000 (99%)",
        {"test_loss": 0.0321, "test_accuracy": 0.9876},
    ),
    "meters": (
        "Epoch: [0][ 10/391]\tTime 0.1 (0.2)\tLoss 2.3e+00 (2.4e+00)\tAcc@1  10.94 ( 11.01)",
        {"loss": 2.3, "acc@1": 10.94},
    ),
    "dict": ("{'loss': 0.1, 'grad_norm': '1.5', 'epoch': 2}", {"loss": 0.1, "grad_norm": 1.5}),
    "bar": ("10%| loss=3.0\r20%| loss=2.0\r", {"loss": 2.0}),
    "tensor": ("loss: tensor(0.25, device='cuda:0')", {"loss": 0.25}),
    "percent": ("Validation Accuracy: 93.2%", {"val_accuracy": 93.2}),
    "logging": ("2026-01-01 12:00:01,123 INFO val/acc: 0.9", {"val/acc": 0.9}),
    "nan": ("step 5 loss nan", {"loss": math.nan}),
    "capital nan": ("Loss: NaN", {"loss": math.nan}),
    "inf": ("loss=-inf", {"loss": -math.inf}),
    "colours": ("\x1b[1m5/5\x1b[0m \x1b[32mval_acc\x1b[0m: \x1b[31m0.5\x1b[0m", {"val_acc": 0.5}),
    "aligned columns": (
        "epoch     train_loss  accuracy  time\n0         0.5         0.75      00:01",
        {"train_loss": 0.5, "accuracy": 0.75, "loss": 0.5},
    ),
    "ruled columns": (
        "┏━━┳━━┓\n┃ epoch ┃ Val Acc ┃\n┡━━╇━━┩\n│ 3 │ 91.5% │\nsaved │ x │\n└──┴──┘",
        {"val_acc": 91.5, "epoch": 3},
    ),
    "narrow columns": ("step loss acc\n1 nan 0.5", {"loss": math.nan, "acc": 0.5}),
}


@pytest.mark.parametrize("which", PRINTED)
def test_what_most_programs_print_is_found_without_a_pattern(tmp_path: Path, which: str) -> None:
    line, expected = PRINTED[which]
    found = {n: c.last for n, c in read(tmp_path, line).curves.items()}
    assert {n: found[n] for n in expected} == pytest.approx(expected, nan_ok=True)


def test_words_that_are_no_measurement_are_left_alone(tmp_path: Path) -> None:
    log = "val_loss did not improve from 0.3\nsaved to /tmp/x_loss-3.pt at 12:30:01\n"
    log += "class precision f1-score\nthe best model 3\n| Name | Params |\n| fc | 12 |\n"
    assert values(read(tmp_path, log)) == {}


@pytest.mark.parametrize(
    ("pattern", "line", "name"),
    [
        (r"val_acc ([0-9.]+)", "val_acc {}", "val_acc"),
        (r"'acc': (\d+\.\d+)", "{{'acc': {}}}", "acc"),
        (r"(?P<top1>[-+.\de]+)% of \[(?:all|some)\]", "{}% of [all]", "top1"),
        (r"\| *([\d.]+) *\|", "| {} |", "metric"),
        (r"top1[):]+ ([^()]+) \(", "top1): {} (", "top1"),
    ],
)
def test_a_pattern_finds_numbers_and_what_is_not_one(
    tmp_path: Path, pattern: str, line: str, name: str
) -> None:
    log = "\n".join(line.format(v) for v in ("0.5", "nan", "0.75", "-inf"))
    found = values(read(tmp_path, log, stdout=[pattern]))[name]
    assert found == pytest.approx((0.5, math.nan, 0.75, -math.inf), nan_ok=True)


def test_a_log_is_read_while_it_grows_and_a_half_written_line_waits(tmp_path: Path) -> None:
    reader, log = collector({}, {"stdout": [r"acc ([\d.]+)", "auto"]}), tmp_path / "log.txt"

    def found() -> tuple[float, ...]:
        curve = reader.collect(tmp_path).curves.get("acc")
        return curve.values if curve else ()

    log.write_text("acc 0.5\nacc 0.7")
    assert found() == (0.5,)
    with log.open("a") as file:
        file.write("5\nacc 0.8")
    assert found() == (0.5, 0.75)
    assert found() == (0.5, 0.75)
    (tmp_path / "exit.json").write_text('{"code": 0, "reason": "exited"}')
    assert found() == (0.5, 0.75, 0.8)
    assert found() == (0.5, 0.75, 0.8)
    log.write_text("acc 0.1\n")
    assert found() == (0.1,), "the run was begun anew"


def test_a_pattern_may_say_the_step(tmp_path: Path) -> None:
    pattern = r"epoch (?P<step>\d+): acc (?P<acc>[\d.]+)"
    found = read(tmp_path, "epoch 2: acc 0.5\nepoch 4: acc 0.75\n", stdout=[pattern])
    assert found.curves["acc"] == Curve((2, 4), (0.5, 0.75))


def test_a_pattern_of_the_users_goes_before_a_preset(tmp_path: Path) -> None:
    log = "val acc: 0.5 (best acc: 0.9)\nloss: 1.0"
    found = values(read(tmp_path, log, stdout=["auto", r"val acc: (?P<val_acc>\S+)"]))
    assert found["val_acc"] == (0.5,)
    assert found["loss"] == (1.0,)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"stdout": ["acc ("]}, "not a regular expression"),
        ({"stdout": ["acc [0-9]+"]}, "no group"),
        ({"stdout": ["atuo"]}, "no preset `atuo`"),
        ({"files": ["log.xls"]}, "log.xls"),
    ],
)
def test_a_reader_that_can_find_nothing_is_refused(
    tmp_path: Path, settings: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, **settings)


def test_tables_may_have_blank_cells_and_a_last_line_that_is_half_written(tmp_path: Path) -> None:
    work = tmp_path / "work" / "logs" / "version_0"
    work.mkdir(parents=True)
    table = work / "metrics.csv"
    table.write_text("epoch,step,loss,val_acc\n0,10,2.5,\n0,10,,0.5\n1,20,nan,\n1,20,,0.")
    asked = {"files": ["logs/*/metrics.csv"]}
    found = read(tmp_path, **asked).curves
    assert found["loss"].steps == (10, 20)
    assert math.isnan(found["loss"].last)
    assert found["val_acc"] == Curve((10,), (0.5,))
    (tmp_path / "exit.json").write_text('{"code": 0, "reason": "exited"}')
    assert read(tmp_path, **asked).curves["val_acc"].steps == (10, 20)


def test_json_and_json_lines_are_read_with_what_they_nest(tmp_path: Path) -> None:
    lines = [{"step": 1, "val": {"acc": 0.5}, "note": "x"}, {"step": 2, "val": {"acc": math.nan}}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines) + "{")
    state = {"best": 1, "log_history": [{"step": 5, "eval_loss": 0.5}, {"step": 6, "loss": 1}]}
    (tmp_path / "state.json").write_text(json.dumps(state))
    found = read(tmp_path, files=["log.jsonl", "state.json"]).curves
    assert found["val/acc"].steps == (1, 2)
    assert found["eval_loss"] == Curve((5,), (0.5,))
    assert found["val_loss"] == found["eval_loss"], "a loss is known by its usual names"


def test_event_files_are_read_while_they_grow(tmp_path: Path) -> None:
    reader = collector({}, {"tensorboard": ["runs"]})
    writer = SummaryWriter(str(tmp_path / "work" / "runs" / "a"))
    writer.add_scalar("val/acc", 0.5, 3)
    writer.flush()
    assert reader.collect(tmp_path).curves["val/acc"] == Curve((3,), (0.5,))
    writer.add_scalar("val/acc", math.nan, 4)
    writer.close()
    curve = reader.collect(tmp_path).curves["val/acc"]
    assert curve.steps == (3, 4)
    assert math.isnan(curve.last)


def test_what_a_program_logs_to_mlflow_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    with warnings.catch_warnings(action="ignore"):
        run = client.create_run(client.create_experiment("theirs")).info.run_id
        for step in (1, 2):
            client.log_metric(run, "val/acc", step / 4, step=step)
        client.log_metric(run, "loss", math.nan)
    found = read(tmp_path).curves
    assert found["val/acc"] == Curve((1, 2), (0.25, 0.5))
    assert math.isnan(found["loss"].last)


def test_what_a_program_logs_to_a_store_that_it_names_itself_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.db").write_text("no database")
    for uri, name in ((f"sqlite:///{work}/mlflow.db", "acc"), ((work / "mlruns").as_uri(), "f1")):
        with warnings.catch_warnings(action="ignore"):
            client = mlflow.MlflowClient(uri)
            run = client.create_run(client.create_experiment("theirs")).info.run_id
            for step, value in ((1, 0.5), (2, math.nan), (3, math.inf)):
                client.log_metric(run, name, value, step=step)
    found = read(tmp_path).curves
    for name in ("acc", "f1"):
        assert found[name].steps == (1, 2, 3)
        assert found[name].values == pytest.approx((0.5, math.nan, math.inf), nan_ok=True)


def test_an_exit_code_may_be_all_there_is_to_judge_by(tmp_path: Path) -> None:
    (tmp_path / "exit.json").write_text('{"code": 0, "reason": "exited"}')
    assert read(tmp_path, exit_code=True).curves["passed"].last == 1
    (tmp_path / "exit.json").write_text('{"code": 1, "reason": "exited"}')
    assert "passed" not in read(tmp_path, exit_code=True).curves
