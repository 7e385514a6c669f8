"""The experiments that come with bisect: their additions go together, and their truth is true."""

import json
import random
import re

import pytest
from omegaconf import OmegaConf

from bisector.config.compose import Composer
from bisector.config.parse import parse_experiment
from bisector.train.loop import train
from bisector.train.run import Run

NAMES = ["digits", "digits_interaction", "charlm", "tabular"]
SEED = 100
"""Not among the seeds over which the truth was measured."""


@pytest.fixture(scope="module")
def composers():
    return {name: Composer(name) for name in NAMES}


@pytest.fixture
def trained(composers, tmp_path_factory):
    def trained(name, additions=frozenset(), *changes):
        overrides = overrides_of(composers[name], additions)
        config = OmegaConf.create(composers[name].recipe([*overrides, *changes]))
        rundir = tmp_path_factory.mktemp("run")
        train(config, Run(rundir, SEED))
        lines = map(json.loads, (rundir / "metrics.jsonl").read_text().splitlines())
        return {line["name"]: line["value"] for line in lines}

    return trained


def overrides_of(composer, additions):
    declared = parse_experiment(composer).additions
    return [o for a in declared if a.name in additions for o in a.overrides]


def all_of(composer):
    return frozenset(a.name for a in parse_experiment(composer).additions)


def claimed(composer):
    line = re.search(r"^# TRUTH: (.*)$", composer.path.read_text(), re.MULTILINE)
    return frozenset(line[1].split(" + "))


@pytest.mark.parametrize("name", NAMES)
def test_each_addition_and_all_together_train(name, composers, trained):
    everything = all_of(composers[name])
    for additions in [frozenset(), *(frozenset({a}) for a in sorted(everything)), everything]:
        length = ["recipe.trainer.steps=2", "+recipe.trainer.epochs=null"]
        if "epochs" in composers[name].base.recipe.trainer:
            length = ["+recipe.trainer.steps=2", "recipe.trainer.epochs=null"]
        last = trained(name, additions, *length)
        assert {"loss", "val_loss", "val_acc", "lr", "grad_norm"} <= set(last), additions


@pytest.mark.parametrize("name", NAMES)
def test_any_set_of_additions_composes_and_each_leaves_its_mark(name, composers):
    composer = composers[name]
    draw = random.Random(0)
    for _ in range(8):
        some = {a for a in sorted(all_of(composer)) if draw.random() < 0.5}
        whole = composer.recipe(overrides_of(composer, some))
        for left_out in sorted(some)[:2]:
            assert composer.recipe(overrides_of(composer, some - {left_out})) != whole


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "tabular",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("digits_interaction", "charlm")),
    ],
)
def test_the_truth_that_an_experiment_tells_holds_on_a_fresh_seed(name, composers, trained):
    composer = composers[name]
    metric, culprit = parse_experiment(composer).metric, claimed(composer)
    everything = all_of(composer)

    def harm(additions):
        last = trained(name, additions)
        return metric.harm(last[composer.base.metrics.score], healthy)

    healthy = trained(name)[composer.base.metrics.score]
    assert harm(culprit) > metric.min_effect
    for part in culprit:
        assert harm(everything - {part}) < metric.min_effect
        if len(culprit) > 1:
            assert harm({part}) < metric.min_effect
