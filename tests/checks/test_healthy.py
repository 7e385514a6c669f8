"""What trains well raises no alarm, and what the recipes' own faults are is found untrained."""

from pathlib import Path

import pytest
from check_gallery import KINDS, examined, made, warned
from omegaconf import OmegaConf

from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.train.parts import build
from bisector.train.run import Run

CULPRITS = {"focal": "R18a", "standardise": "R37", "sum_loss": "R18b"}
"""Additions that are there to be found."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_recipe_raises_no_alarm(tmp_path: Path, kind: str, seed: int) -> None:
    assert warned(examined(made(kind, tmp_path, seed=seed))) == []


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
