"""A function shows its parts by `run.watch`, is ended there, and is looked at as a recipe is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from check_gallery import Net, examined_shown, table, warned
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, Sampler, TensorDataset

from bisector.train.facts.shown import Absent, Shown, of_watch
from bisector.train.run import Run
from bisector.train.watching import Watching, watched

STEPS: list[str] = []
"""What the functions below did beyond showing their parts."""


def train(cfg: dict[str, Any], run: Run) -> None:
    """A training as a user would write it, with a fault if `cfg` says so."""
    split = table()
    model = nn.Sequential(Net(), nn.Softmax(1)) if cfg.get("softmax") else Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader: Any = DataLoader(
        TensorDataset(split.x, split.y), batch_size=32, shuffle=not cfg.get("unshuffled")
    )
    val_loader = DataLoader(TensorDataset(split.vx, split.vy), batch_size=64)
    if cfg.get("stream"):
        loader = DataLoader(Stream(split.x, split.y), batch_size=32)
    criterion = nn.CrossEntropyLoss()
    if not cfg.get("silent"):
        try:
            run.watch(model, optimizer, loss=criterion, loader=loader, val_loader=val_loader)
        except Exception:  # noqa: BLE001 - as some users do
            STEPS.append("caught")
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        STEPS.append("step")
        run.log(len(STEPS), loss=loss)


def only_the_model(cfg: dict[str, Any], run: Run) -> None:
    run.watch(Net())


def returns(cfg: dict[str, Any], run: Run) -> None:
    """Trains nothing."""


class Stream(IterableDataset[Any]):
    """Samples in order, with no numbers."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Any:
        return iter(zip(self.x, self.y, strict=True))


def shown(name: str, rundir: Path, **cfg: Any) -> Shown:
    STEPS.clear()
    return watched(f"{__name__}:{name}", cfg, Watching(rundir, 0))


def test_a_function_is_ended_before_any_step_and_a_healthy_one_raises_no_alarm(
    tmp_path: Path,
) -> None:
    diagnosis = examined_shown(shown("train", tmp_path))
    assert STEPS == []
    assert warned(diagnosis) == []
    assert {"R01a", "R04b", "R07a", "R12", "R15c", "R17", "R18a", "R19a", "R23c"} <= set(
        diagnosis.silent
    )


@pytest.mark.parametrize(("fault", "expected"), [("softmax", "R19a"), ("unshuffled", "R07a")])
def test_a_fault_in_a_function_is_the_first_finding(
    tmp_path: Path, fault: str, expected: str
) -> None:
    assert warned(examined_shown(shown("train", tmp_path, **{fault: True})))[:1] == [expected]


def test_of_a_stream_the_batches_are_looked_at_and_its_order_is_not(tmp_path: Path) -> None:
    diagnosis = examined_shown(shown("train", tmp_path, stream=True))
    told = {u.check: u.because for u in diagnosis.unlooked}
    assert "no samples by number" in told["R07a"]
    assert {"R10", "R12", "R19a"} <= set(diagnosis.silent)


class Endless(Sampler[int]):
    """Draws for ever, as some loops by steps do."""

    def __iter__(self) -> Iterator[int]:
        while True:
            yield from torch.randperm(100).tolist()


def test_a_sampler_without_an_end_is_looked_at_all_the_same() -> None:
    split = table()
    loader = DataLoader(TensorDataset(split.x, split.y), batch_size=32, sampler=Endless())
    net = Net()
    shown = of_watch(net, torch.optim.Adam(net.parameters()), nn.CrossEntropyLoss(), loader, None)
    diagnosis = examined_shown(shown)
    assert warned(diagnosis) == []
    assert "R03d" in {u.check for u in diagnosis.unlooked}


def test_what_was_not_shown_is_named_check_by_check(tmp_path: Path) -> None:
    diagnosis = examined_shown(shown("only_the_model", tmp_path))
    told = {u.check: u.because for u in diagnosis.unlooked}
    assert "run.watch was given no loader" in told["R01a"]
    assert "run.watch was given no optimizer" in told["R23c"]
    assert {"R28a", "R28b"} <= set(diagnosis.silent)


@pytest.mark.parametrize(("name", "cfg"), [("train", {"silent": True}), ("returns", {})])
def test_a_function_that_shows_nothing_is_told_what_to_call(
    tmp_path: Path, name: str, cfg: dict[str, Any]
) -> None:
    with pytest.raises(Absent, match=r"does not call run\.watch\(model, optimizer, loss=..., "):
        shown(name, tmp_path, **cfg)
    assert STEPS == []


CONF = """\
defaults: [bisect_schema, launcher: inline, planner: adaptive, _self_]
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}
recipe: {watch: true}
lr: {key: recipe.lr, value: 0.1}
metrics: {loss: loss}
judge: {metric: loss, direction: minimize}
additions:
  silent: {overrides: [recipe.watch=false]}
"""
LAB = """\
import torch


def train(cfg, run):
    x = torch.randn(200, 5)
    data = torch.utils.data.TensorDataset(x, x.sum(1))
    model = torch.nn.Linear(5, 1)
    if cfg.watch:
        run.watch(model, torch.optim.SGD(model.parameters(), lr=0.1), loss=torch.nn.MSELoss(),
                  loader=torch.utils.data.DataLoader(data, batch_size=20, shuffle=True))
    raise SystemExit("trained")
"""


def test_bisect_check_looks_at_a_function(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text(CONF, encoding="utf-8")
    (tmp_path / "lab.py").write_text(LAB, encoding="utf-8")
    command = [sys.executable, "-m", "bisector", "check", "conf=mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "1. R19d outputs and targets that are broadcast (fatal, model)" in done.stdout
