"""Looking changes nothing, is bounded, and says what it could not see."""

import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from check_gallery import KINDS, examined, made, recipe, warned
from omegaconf import OmegaConf

from bisector.rundir import METRICS
from bisector.train.facts.charts import DRAWINGS
from bisector.train.facts.scene import Bounds
from bisector.train.facts.shown import of_recipe
from bisector.train.inspection import inspect
from bisector.train.loop import Training
from bisector.train.parts import build
from bisector.train.run import Run
from bisector.train.seeding import seed_everything

BISECT = (sys.executable, "-m", "bisector")


def trained(rundir: Path, *, looked_at: bool) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The weights and the logged values of a training with dropout, mixing and noise."""
    rundir.mkdir()
    seed_everything(0)
    digits = "bisector.recipes.digits"
    augment = {"mixup": {"_target_": f"{digits}.Mixup"}, "noise": {"_target_": f"{digits}.Noise"}}
    cfg = recipe(
        "image",
        data={"source": {"_target_": f"{digits}.Digits"}, "augment": augment},
        model={"dropout": 0.2, "batch_norm": True, "drop_path": 0.1},
        metric={"_target_": f"{digits}.scores", "_partial_": True},
        trainer={"steps": 12, "epochs": None, "log_every": 1, "workers": 2},
    )
    run = Run(rundir, 0)
    parts = build(OmegaConf.create(cfg), run)
    if looked_at:
        found = inspect(of_recipe(parts), torch.device("cpu"), Bounds())
        of_others = {"alone", "targets", "standards", "declared", "causality", "neutral", "visits"}
        assert set(found.absent) <= of_others | {"augmented", "workers", "reload", "attention"}
        assert set(found.pictures["drawn"]) == set(DRAWINGS)
        assert found.pictures["drawn"]["gallery"]["augmented_by"] == ["mixup", "noise"]
    training = Training(parts, run)
    training.go_on()
    lines = (rundir / METRICS).read_text().splitlines()
    return parts.model.state_dict(), [json.loads(line)["value"] for line in lines]


def test_a_training_that_was_looked_at_is_bit_identical_to_one_that_was_not(tmp_path: Path) -> None:
    weights, values = trained(tmp_path / "plain", looked_at=False)
    again, values_again = trained(tmp_path / "looked_at", looked_at=True)
    assert values == values_again
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_what_cannot_be_seen_is_listed_with_what_it_would_need(tmp_path: Path) -> None:
    unlooked = {u.check: u.because for u in examined(made("numbers", tmp_path)).unlooked}
    assert unlooked["R08"].startswith("needs targets that are class numbers (")
    assert {"R06", "R07b", "R08", "R09", "R10", "R13", "R15d", "R25c"} <= set(unlooked)
    assert not {"R01a", "R04b", "R15g", "R17", "R18a", "R22a", "R25a", "R32b"} & set(unlooked)


def test_a_model_that_fails_is_told_and_the_data_is_looked_at_all_the_same(tmp_path: Path) -> None:
    parts = made("table", tmp_path, model={"inputs": 29})
    diagnosis = examined(parts)
    told = {u.check: u.because for u in diagnosis.unlooked}
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in told["R17"]
    assert {"R01a", "R12", "R08"} <= set(diagnosis.silent)
    assert warned(diagnosis) == ["R25d"]
    (finding,) = diagnosis.findings
    assert finding.evidence["module"] == "first"


def test_outputs_that_are_no_numbers_are_told_to_be_none(tmp_path: Path) -> None:
    parts = made("table", tmp_path)
    with torch.no_grad():
        next(parts.model.parameters()).fill_(torch.nan)
    diagnosis = examined(parts)
    told = {u.check: u.because for u in diagnosis.unlooked}
    assert "the untrained model's outputs are not finite" in told["R17"]
    assert warned(diagnosis) == ["R37"]


def test_a_loss_that_rounds_to_half_precision_is_not_held_to_its_slope(tmp_path: Path) -> None:
    parts = made("table", tmp_path)
    loss = parts.loss
    parts.loss.forward = lambda out, y: type(loss).forward(loss, out.half().float(), y)
    unlooked = {u.check: u.because for u in examined(parts).unlooked}
    assert "half precision" in unlooked["R26"]


def test_a_large_data_set_is_sampled(tmp_path: Path) -> None:
    split = KINDS["image"][0]()
    split.x, split.y = split.x.repeat(100, 1, 1, 1), split.y.repeat(100)
    parts = made("image", tmp_path, data=split)
    began = time.process_time()
    found = inspect(of_recipe(parts), torch.device("cpu"), Bounds(max_samples=320))
    assert time.process_time() - began < 10
    assert found.facts["inputs"]["samples"] == 320
    assert found.facts["loader"]["batches"] == 10


def test_when_time_is_over_the_rest_is_told_as_not_looked_at(tmp_path: Path) -> None:
    found = inspect(of_recipe(made("image", tmp_path)), torch.device("cpu"), Bounds(seconds=0.0))
    assert not found.facts
    assert "inspect.seconds" in found.absent["slope"]


def bisect(*words: str, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BISECT, *words, "--out", str(out)], capture_output=True, text=True, check=False
    )


def test_bisect_check_names_the_culprit_of_digits_without_training(tmp_path: Path) -> None:
    done = bisect("check", "conf=digits", "--on", "focal", "--json", out=tmp_path)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert [f["check"] for f in said["findings"]] == ["R18a"]
    assert said["findings"][0]["crossing"]["key"] == "checks.thresholds.R18a.rise"


def test_bisect_check_is_content_with_the_baseline(tmp_path: Path) -> None:
    done = bisect("check", "conf=tabular", "launcher=inline", out=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checks looked: nothing found." in done.stdout


def test_a_threshold_that_there_is_not_is_named(tmp_path: Path) -> None:
    done = bisect("check", "conf=digits", "+checks.thresholds.R08.ration=3", out=tmp_path)
    assert done.returncode == 2
    assert "checks.thresholds.R08 has no `ration`" in done.stderr
    assert "ratio" in done.stderr
