"""What trains well raises no alarm, and what the recipes' own faults are is found untrained."""

import dataclasses
from pathlib import Path

import pytest
import torch
from check_gallery import KINDS, Split, Wrapped, copied, examined, examined_shown, made, warned
from omegaconf import OmegaConf
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.train.facts.shown import of_watch
from bisector.train.parts import build
from bisector.train.run import Run

CULPRITS = {"focal": "R18a", "standardise": "R37", "sum_loss": "R18b"}
"""Additions that are there to be found."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_a_healthy_recipe_raises_no_alarm(tmp_path: Path, kind: str, seed: int) -> None:
    assert warned(examined(made(kind, tmp_path, seed=seed))) == []


@pytest.mark.slow
def test_of_the_healthy_gallery_on_twenty_seeds_one_run_in_a_hundred_may_raise_an_alarm(
    tmp_path: Path,
) -> None:
    """Every seed draws the splits anew, the initial weights and the order of samples."""
    alarms = {
        (kind, seed): found
        for kind in KINDS
        for seed in range(20)
        if (found := warned(examined(made(kind, tmp_path, seed=seed, data=dealt(kind, seed)))))
    }
    assert len(alarms) <= 0.01 * 20 * len(KINDS), alarms


def dealt(kind: str, seed: int) -> Split:
    """The samples of a kind, parted anew; tables are standardised by the new training split."""
    given = KINDS[kind][0]()
    x, y = torch.cat([given.x, given.vx]), torch.cat([given.y, given.vy])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, val = order[: len(given.x)], order[len(given.x) :]
    if kind in ("table", "numbers"):
        x = (x - x[train].mean(0)) / x[train].std(0)
    return Split(x[train], y[train], x[val], y[val])


def test_pixels_of_which_some_hardly_ever_vary_raise_no_alarm(tmp_path: Path) -> None:
    s = KINDS["image"][0]()
    parts = made("image", tmp_path, data=Split(s.x.flatten(1), s.y, s.vx.flatten(1), s.vy))
    model = Wrapped(parts.model, before=lambda x: x.view(-1, 1, 8, 8))
    assert warned(examined(dataclasses.replace(parts, model=model))) == []


def test_bytes_that_the_model_scales_by_itself_raise_no_alarm(tmp_path: Path) -> None:
    s = KINDS["image"][0]()
    s.x, s.vx = ((part * 6 + 5).clamp(0, 16).to(torch.uint8) for part in (s.x, s.vx))
    parts = made("image", tmp_path, data=s)
    model = Wrapped(parts.model, before=lambda x: x.float() / 16)
    assert warned(examined(dataclasses.replace(parts, model=model))) == []


@pytest.mark.parametrize("criterion", ["BCEWithLogitsLoss", "MSELoss"])
def test_zeros_and_ones_as_numbers_are_seen_as_labels(tmp_path: Path, criterion: str) -> None:
    s = KINDS["table"][0]()
    s.y, s.vy = s.y.float(), s.vy.float()
    parts = made("table", tmp_path, data=s, model={"outputs": 1})
    loss = {"BCEWithLogitsLoss": torch.nn.BCEWithLogitsLoss(), "MSELoss": torch.nn.MSELoss()}
    diagnosis = examined(dataclasses.replace(parts, loss=loss[criterion]))
    assert warned(diagnosis) == []
    assert {"R04b", "R06", "R08", "R10"} <= set(diagnosis.silent)


def unbalanced() -> Split:
    """One benign sample in twenty."""
    s = KINDS["table"][0]()
    (s.x, s.y), (s.vx, s.vy) = (
        (x[keep], y[keep])
        for x, y in ((s.x, s.y), (s.vx, s.vy))
        for keep in [(y == 1) | ((y == 0).cumsum(0) <= 0.05 * (y == 1).sum())]
    )
    return s


def test_rare_classes_that_are_weighed_in_the_loss_raise_no_alarm(tmp_path: Path) -> None:
    parts = made("table", tmp_path, data=unbalanced())
    assert warned(examined(parts))[0] == "R08"
    weighed = torch.nn.CrossEntropyLoss(weight=torch.tensor([20.0, 1.0]))
    assert "R08" not in warned(examined(dataclasses.replace(parts, loss=weighed)))


def test_rare_classes_that_are_drawn_more_often_raise_no_alarm(tmp_path: Path) -> None:
    data = unbalanced()
    parts = made("table", tmp_path, data=data)
    weights = 1 / data.y.bincount().double()[data.y]
    order = BatchSampler(WeightedRandomSampler(weights, len(data.y)), 32, drop_last=True)
    evened = dataclasses.replace(parts, order=copied(parts.order, order))
    assert "R08" not in warned(examined(evened))


class Cosines(torch.nn.Module):
    """Scores are cosines between features and classes, times 30."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = torch.nn.Parameter(torch.randn(10, 64))
        self.features = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize
        return 30 * unit(self.features(x)) @ unit(self.classes).T


def test_a_first_loss_of_cosines_on_a_scale_raises_no_alarm(tmp_path: Path) -> None:
    target = {"_target_": f"{__name__}.Cosines"}
    assert warned(examined(made("image", tmp_path, model=target))) == []


def test_branches_and_a_last_layer_that_start_at_zero_raise_no_alarm(tmp_path: Path) -> None:
    parts = made("image", tmp_path)
    for name, p in parts.model.named_parameters():
        if name.startswith(("small.0.conv", "head")):
            torch.nn.init.zeros_(p)
    assert warned(examined(parts)) == []


def test_half_of_the_samples_that_validation_reads_raise_no_alarm(tmp_path: Path) -> None:
    split = KINDS["table"][0]()
    # Standardised by others than these, so that no split's own statistics show.
    every = TensorDataset(1.1 * split.x, split.y)
    train, val = (
        DataLoader(every, 32, sampler=SubsetRandomSampler(range(*part)))
        for part in ((0, 150), (150, 379))
    )
    parts = made("table", tmp_path)
    shown = of_watch(parts.model, parts.optimizer, parts.loss, train, val)
    assert warned(examined_shown(shown)) == []
    alone = of_watch(parts.model, parts.optimizer, parts.loss, train, None)
    assert warned(examined_shown(alone))[:1] == ["R03d"]


def test_a_last_layer_that_starts_at_zero_raises_no_alarm(tmp_path: Path) -> None:
    parts = made("table", tmp_path)
    torch.nn.init.zeros_(parts.model.head.weight)
    assert warned(examined(parts)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "tabular"])
def test_of_all_additions_only_the_culprit_is_suspected(tmp_path: Path, name: str) -> None:
    composer = Composer(name)
    found, expected = {}, {}
    for number, addition in enumerate(parse_experiment(composer).additions):
        recipe = OmegaConf.create(composer.recipe(addition.overrides))
        parts = build(recipe, Run(tmp_path, number))
        found[addition.name] = warned(examined(parts))[:1]
        expected[addition.name] = [CULPRITS[addition.name]] if addition.name in CULPRITS else []
    assert found == expected
