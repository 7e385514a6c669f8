"""The training loop: the same seed gives the same bits, and every option does what it says."""

import json
import math

import pytest
import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bisector.train.loop import train
from bisector.train.parts import build
from bisector.train.run import Run

TABULAR = "bisector.recipes.tabular"
RECIPE = {
    "data": {"source": {"_target_": f"{TABULAR}.BreastCancer"}, "augment": {}},
    "model": {"_target_": f"{TABULAR}.MLP", "width": 8},
    "loss": {"_target_": f"{TABULAR}.CrossEntropy"},
    "metric": {"_target_": f"{TABULAR}.scores", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9},
    "scheduler": {
        "_target_": "bisector.train.schedule.WarmupCosine",
        "steps": "planned",
        "warmup": 0.2,
    },
    "trainer": {"steps": 23, "batch_size": 32, "log_every": 5},
}
NOISE = ["data.augment.noise._target_=" + f"{TABULAR}.FeatureNoise"]
MIXUP = ["data.augment.mixup._target_=" + f"{TABULAR}.Mixup"]


def recipe(*changes):
    return OmegaConf.merge(OmegaConf.create(RECIPE), OmegaConf.from_dotlist(list(changes)))


def curves(rundir):
    """Every metric's steps and values."""
    found = {}
    for line in map(json.loads, (rundir / "metrics.jsonl").read_text().splitlines()):
        found.setdefault(line["name"], {})[line["step"]] = line["value"]
    return found


@pytest.fixture
def trained(tmp_path_factory):
    def trained(*changes, seed=1):
        rundir = tmp_path_factory.mktemp("run")
        train(recipe(*changes), Run(rundir, seed))
        return curves(rundir)

    return trained


def test_the_first_step_every_few_and_the_last_are_logged(trained):
    seen = trained("trainer.eval_every=10")
    assert list(seen["loss"]) == [1, 5, 10, 15, 20, 23]
    assert list(seen["lr"]) == list(seen["grad_norm"]) == list(seen["loss"])
    assert list(seen["val_loss"]) == list(seen["val_acc"]) == [10, 20, 23]
    assert seen["val_acc"][23] > 0.8


def test_epochs_are_turned_into_steps_and_planned_steps_are_told(tmp_path):
    train(recipe("trainer.steps=null", "trainer.epochs=1.5"), Run(tmp_path, 0))
    facts = json.loads((tmp_path / "facts.json").read_text())
    per_epoch = 379 // 32
    assert facts["planned_steps"] == round(1.5 * per_epoch)
    assert list(curves(tmp_path)["val_loss"]) == [per_epoch, facts["planned_steps"]]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(trained):
    changes = ["model.dropout=0.1", *NOISE, *MIXUP]
    first = trained(*changes)
    assert trained(*changes) == first
    assert trained(*changes, seed=2)["loss"] != first["loss"]


def test_looking_at_the_validation_set_does_not_change_the_training(trained):
    often, once = (trained("model.dropout=0.2", f"trainer.eval_every={n}") for n in (1, 100))
    assert often["loss"] == once["loss"]


def test_loader_workers_give_the_same_batches_as_none(trained):
    assert trained("trainer.workers=2") == trained()


def test_what_draws_random_numbers_does_not_shift_the_numbers_of_others(tmp_path):
    plain = build(recipe(), Run(tmp_path, 1))
    more = build(recipe("model.dropout=0.5", *NOISE, *MIXUP), Run(tmp_path, 1))
    for ours, theirs in zip(plain.model.parameters(), more.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert next(iter(plain.order)) == next(iter(more.order))
    alone = build(recipe(*NOISE), Run(tmp_path, 1)).augments["noise"][1]
    assert torch.equal(alone.get_state(), more.augments["noise"][1].get_state())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_stopped_after_any_step_goes_on_bit_by_bit(tmp_path, workers):
    config = recipe(
        "model.dropout=0.1",
        "trainer.ema.decay=0.9",
        "trainer.accumulate=2",
        "trainer.checkpoint_every=7",
        f"trainer.workers={workers}",
        *NOISE,
        *MIXUP,
    )
    whole, halting = tmp_path / "whole", tmp_path / "halting"
    whole.mkdir(), halting.mkdir()
    train(config, Run(whole, 1))
    (halting / "stop").touch()
    for done in range(1, 13):
        train(config, Run(halting, 1))
        assert Run(halting, 1).restore()["step"] == done
    (halting / "stop").unlink()
    train(config, Run(halting, 1))
    assert curves(halting) == curves(whole)
    ours, theirs = (Run(d, 1).restore()["parts"]["model"] for d in (whole, halting))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_batch_in_pieces_has_the_gradient_of_the_whole(trained):
    whole, pieces = trained(), trained("trainer.accumulate=3")
    for name in ("loss", "grad_norm", "val_loss"):
        for step, value in whole[name].items():
            assert pieces[name][step] == pytest.approx(value, rel=1e-4)


def test_a_clipped_gradient_moves_the_weights_no_further_than_allowed(tmp_path):
    tiny = recipe("trainer.clip_norm=1e-3", "trainer.steps=1", "optimizer.lr=1", "scheduler=null")
    before = [p.detach().clone() for p in build(tiny, Run(tmp_path, 1)).model.parameters()]
    saving = OmegaConf.merge(tiny, {"trainer": {"checkpoint_every": 1}})
    train(saving, Run(tmp_path, 1))
    after = Run(tmp_path, 1).restore()["parts"]["model"].values()
    moved = sum((b - a).square().sum() for b, a in zip(before, after, strict=True)).sqrt()
    assert float(moved) == pytest.approx(1e-3, rel=1e-2)
    assert curves(tmp_path)["grad_norm"][1] > 1e-3


def test_the_average_of_the_weights_is_what_is_evaluated(trained):
    plain, averaged = trained(), trained("trainer.ema.decay=0.9")
    assert averaged["loss"] == plain["loss"]
    assert averaged["val_loss"] != plain["val_loss"]


def test_the_validation_loss_keeps_its_meaning_when_the_training_loss_changes(trained):
    still = ["optimizer.lr=0", "optimizer.momentum=0"]
    plain, smoothed = trained(*still), trained(*still, "loss.label_smoothing=0.3")
    assert smoothed["loss"] != plain["loss"]
    assert smoothed["val_loss"] == plain["val_loss"]


def test_a_loss_that_is_not_finite_ends_the_training_in_good_order(trained):
    broken = ["optimizer.lr=1e12", "scheduler=null"]
    ended = trained(*broken)
    assert not math.isfinite(ended["loss"][max(ended["loss"])])
    assert max(ended["loss"]) < 23
    assert max(trained(*broken, "trainer.stop_on_nonfinite=false")["loss"]) == 23


def test_computing_activations_again_changes_nothing_but_memory(trained):
    plain = trained("model.depth=3", "model.dropout=0.1")
    again = trained("model.depth=3", "model.dropout=0.1", "trainer.recompute=[layers.*]")
    for step, value in plain["loss"].items():
        assert again["loss"][step] == pytest.approx(value, rel=1e-5)


def test_bf16_trains_about_as_fp32_does(trained):
    exact, rough = trained(), trained("trainer.precision=bf16")
    assert rough["loss"] != exact["loss"]
    assert rough["val_loss"][23] == pytest.approx(exact["val_loss"][23], rel=0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU for it")
def test_fp16_without_a_gpu_is_refused_with_what_to_do(trained):
    with pytest.raises(ValueError, match="use bf16 or fp32"):
        trained("trainer.precision=fp16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_fp16_with_a_scaled_loss_trains_about_as_fp32_does(trained):
    exact, rough = trained(), trained("trainer.precision=fp16", "trainer.clip_norm=10")
    assert rough["val_loss"][23] == pytest.approx(exact["val_loss"][23], rel=0.1)


def test_the_rate_warms_up_and_then_falls_along_half_a_cosine(trained):
    rates = list(trained("trainer.log_every=1")["lr"].values())
    top = rates.index(max(rates))
    assert top == round(0.2 * 23)
    assert rates[top] == pytest.approx(0.05)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 0.001


def test_a_scheduler_of_torch_is_told_the_planned_steps(tmp_path):
    config = recipe("trainer.log_every=1")
    config.scheduler = {
        "_target_": "torch.optim.lr_scheduler.OneCycleLR",
        "max_lr": 0.2,
        "total_steps": "planned",
    }
    train(config, Run(tmp_path, 1))
    rates = curves(tmp_path)["lr"]
    assert max(rates.values()) == pytest.approx(0.2, rel=1e-3)
    assert len(rates) == 23


@pytest.mark.parametrize(
    ("change", "said"),
    [("trainer.clip_nrom=1", "clip_nrom"), ("trainer.epochs=2", "one of `steps` and `epochs`")],
)
def test_a_trainer_section_that_cannot_be_meant_is_refused(trained, change, said):
    with pytest.raises((OmegaConfBaseException, ValueError), match=said):
        trained(change)


def test_it_records_what_one_answer_to_all_would_score_unless_its_data_are_altered(tmp_path):
    for name, change in (("whole", ()), ("noise", ("trainer.alter.noise=true",))):
        (tmp_path / name).mkdir()
        train(recipe(*change), Run(tmp_path / name, 1))
    facts = json.loads((tmp_path / "whole" / "facts.json").read_text())
    assert 0.5 < facts["constant_answer.val_acc"] < 0.7
    assert 0.6 < facts["constant_answer.val_loss"] < 0.7
    altered = json.loads((tmp_path / "noise" / "facts.json").read_text())
    assert not [name for name in altered if name.startswith("constant_answer")]
