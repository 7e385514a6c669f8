"""Histograms of a watched run: of what, at which steps, and that they are right."""

import math

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from bisector.collect.facts import looked
from bisector.rundir import OBSERVE, write_json
from bisector.train.loop import train
from bisector.train.observing import run_in
from bisector.train.probes.histograms import BINS, LAYERS, SAMPLES, Histograms, histograms, sample

TABULAR = "bisector.recipes.tabular"
RECIPE = {
    "data": {"source": {"_target_": f"{TABULAR}.BreastCancer"}, "augment": {}},
    "model": {"_target_": f"{TABULAR}.MLP", "width": 8, "depth": 2},
    "loss": {"_target_": f"{TABULAR}.CrossEntropy"},
    "metric": {"_target_": f"{TABULAR}.scores", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.05},
    "trainer": {"steps": 40, "batch_size": 32},
}


def test_they_are_those_of_numpy_with_what_is_not_finite_left_out_and_counted():
    torch.manual_seed(0)
    rows = torch.randn(4, SAMPLES)
    rows[1, 7], rows[1, 9] = math.nan, math.inf
    rows[2] = 3.0
    rows[3] = math.nan
    found = histograms(rows).numpy()
    for row, (low, high, lost, *counts) in zip(rows[:2].numpy(), found[:2], strict=True):
        finite = row[np.isfinite(row)]
        expected, _ = np.histogram(finite, BINS)
        assert (low, high, lost) == (finite.min(), finite.max(), len(row) - len(finite))
        assert abs(np.array(counts) - expected).sum() <= 4, "values on an edge may go either way"
    assert found[2, 3] == SAMPLES
    assert found[3, 2] == SAMPLES
    assert found[3, 3:].sum() == 0


@pytest.mark.parametrize("count", [1, 5, SAMPLES, 3 * SAMPLES + 1])
def test_a_sample_is_spread_evenly_over_the_tensor(count):
    drawn = sample(torch.arange(count).view(1, -1))
    assert len(drawn) == SAMPLES
    assert drawn[0] == 0
    assert drawn.unique().numel() == min(count, SAMPLES)
    assert drawn[-1] >= count - 1 - count / SAMPLES


def test_of_many_layers_a_few_are_taken_with_their_biases():
    deep = nn.Sequential(*(nn.Linear(2, 2) for _ in range(50)))
    taken = Histograms(None, dict(deep.named_parameters()))
    assert len(taken.layers) == LAYERS
    assert {"0", "49"} <= taken.layers
    assert len(taken.numbers) == 2 * LAYERS


def test_a_watched_run_tells_them_at_a_few_steps_and_its_bits_are_the_same(tmp_path):
    weights = []
    for name in ("plain", "watched"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "watched":
            write_json(folder / OBSERVE, {"memory_mb": 0})
        run = run_in(folder, 0)
        steps = run.steps_of
        run.steps_of = lambda training, steps=steps: (weights.append(training), steps(training))[1]
        train(OmegaConf.create(RECIPE), run)
        if name == "watched":
            run.close()
    one, other = (t.parts.model.state_dict() for t in weights)
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert "run_histograms" not in looked(tmp_path / "plain").facts
    facts = looked(tmp_path / "watched").facts["run_histograms"]
    assert facts["steps"] == [1, 8]
    assert set(facts) == {"steps", "weight", "bias", "gradient", "update", "activation"}
    layers = ["layers.0", "layers.2.branch.0", "layers.3"]
    assert list(facts["activation"]) == layers
    assert list(facts["weight"]) == [f"{layer}.weight" for layer in layers]
    first = weights[1].parts.model.state_dict()["layers.0.weight"]
    low, high, lost, *counts = facts["weight"]["layers.0.weight"][-1]
    assert lost == 0
    assert sum(counts) == SAMPLES
    assert first.min() == pytest.approx(low, abs=0.2)
    assert first.max() == pytest.approx(high, abs=0.2)
    assert any(cell[0] < 0 < cell[1] for cell in facts["update"]["layers.0.weight"])
