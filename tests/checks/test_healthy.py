"""What trains well raises no alarm, and what the recipes' own faults are is found untrained."""

import dataclasses
from pathlib import Path

import pytest
import torch
from check_gallery import KINDS, Split, Wrapped, examined, made, warned
from omegaconf import OmegaConf

from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
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


def test_a_last_layer_that_starts_at_zero_raises_no_alarm(tmp_path: Path) -> None:
    parts = made("table", tmp_path)
    torch.nn.init.zeros_(parts.model.head.weight)
    assert warned(examined(parts)) == []


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
