"""A watched training trains the same bits, and leaves what was seen even if it is killed."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import torch
from bisector.recipes.digits import SmallCNN
from omegaconf import OmegaConf
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.loop import Training, train
from bisector.train.observing import Observing, run_in
from bisector.train.parts import build
from bisector.train.probes import recorder
from bisector.train.probes.recorder import Recorder
from bisector.train.probes.settings import ProbeSettings, next_look
from bisector.train.probes.watch import Watch
from bisector.train.run import Run

DIGITS = "bisector.recipes.digits"
RECIPE = {
    "data": {
        "source": {"_target_": f"{DIGITS}.Digits"},
        "augment": {"mixup": {"_target_": f"{DIGITS}.Mixup", "alpha": 0.2}},
    },
    "model": {"_target_": f"{DIGITS}.SmallCNN", "batch_norm": True, "dropout": 0.3, "width": 8},
    "loss": {
        "_target_": f"{DIGITS}.CrossEntropy",
        "penalties": {"z": {"_target_": f"{DIGITS}.ZLoss", "weight": 0.01}},
    },
    "metric": {"_target_": f"{DIGITS}.scores", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01},
    "trainer": {"steps": 40, "batch_size": 32, "eval_every": 10, "clip_norm": 1.0},
}


def seen(rundir, kind="look"):
    lines = (rundir / "observations.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


@pytest.fixture
def looks(tmp_path):
    run = Observing(tmp_path, 0, ProbeSettings())
    train(OmegaConf.create(RECIPE), run)
    run.close()
    return seen(tmp_path)


def trained(run, **changes):
    """The parameters and buffers of a recipe after training."""
    recipe = OmegaConf.merge(RECIPE, {"trainer": changes})
    training = Training(build(recipe, run), run)
    run.watch(training.parts.model, training.parts.optimizer, loss=training.parts.loss)
    training.go_on()
    return training.parts.model.state_dict()


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"recompute": ["small.*"]}])
def test_the_weights_are_the_same_bits_watched_or_not(tmp_path, changes):
    (tmp_path / "plain").mkdir()
    plain = trained(Run(tmp_path / "plain", 3), **changes)
    watched = trained(Observing(tmp_path, 3, ProbeSettings()), **changes)
    assert [row["step"] for row in seen(tmp_path)] == [1, 2, 4, 8, 16, 32]
    for name, value in plain.items():
        assert torch.equal(value, watched[name]), name


def test_without_probes_nothing_is_hooked(tmp_path):
    run = run_in(tmp_path, 0)
    training = Training(build(OmegaConf.create(RECIPE), run), run)
    original = torch.autograd.backward
    run.watch(training.parts.model, training.parts.optimizer, loss=training.parts.loss)
    assert type(run) is Run
    assert torch.autograd.backward is original
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in training.parts.model.modules())
    assert not training.parts.optimizer._optimizer_step_post_hooks


def test_when_the_run_is_over_all_hooks_are_gone(tmp_path):
    original = torch.autograd.backward
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run.watch(model, optimizer)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    run.close()
    assert torch.autograd.backward is original
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_backward_pass_is_called_as_torch_has_it_and_from_whatever_it_takes(tmp_path):
    original = inspect.signature(torch.autograd.backward)
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Linear(2, 1)
    run.watch(model, torch.optim.SGD(model.parameters(), 0.1))
    assert list(inspect.signature(torch.autograd.backward).parameters) == list(original.parameters)
    loss = model(torch.ones(3, 2)).sum()
    torch.autograd.backward(get_gradient_edge(loss), torch.ones(()))
    torch.autograd.backward([model(torch.ones(3, 2)).mean()], inputs=[model.bias])
    run.close()
    assert model.bias.grad.item() == 4.0
    assert [row["losses"] for row in seen(tmp_path, "rest")] == [[pytest.approx(loss.item() / 3)]]


class Mixed(nn.Module):
    """A bit of everything that is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.rest = nn.Sequential(nn.Linear(36, 8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, x):
        return self.rest(F.relu(self.stem(x)).flatten(1))


def test_nothing_that_is_on_a_device_is_waited_for(tmp_path, monkeypatch):
    """Tensors of the device `meta` stand for a GPU's: they have no values, and reading one is an error."""
    under_way = []

    def on_the_way(numbers):
        under_way.append(numbers)
        return torch.zeros(numbers.shape), None

    monkeypatch.setattr(recorder, "_on_the_way", on_the_way)
    run = Observing(tmp_path, 0, ProbeSettings())
    with torch.device("meta"):
        model, x, y = Mixed(), torch.randn(8, 1, 5, 5), torch.zeros(8, dtype=torch.long)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    run.watch(model, optimizer, loss=nn.CrossEntropyLoss())
    for _ in range(17):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y) + 0.1 * model.rest[0].weight.square().mean()
        with pytest.raises(RuntimeError, match="meta"):
            loss.item()
        loss.backward()
        optimizer.step()
    run.close()
    looks = seen(tmp_path)
    assert [row["step"] for row in looks] == [1, 2, 4, 8, 16]
    assert all(numbers.is_meta for numbers in under_way if numbers.numel())
    for column in ("losses", "gradient_norm", "update_norm", "norm", "dead", "saturated"):
        assert looks[0][column], column
    assert looks[0]["targets"]
    assert looks[0]["term_gradient"]
    assert seen(tmp_path, "histograms")


def test_looks_are_dense_at_first_and_then_ever_fewer():
    steps = [1]
    while steps[-1] < 10_000:
        steps.append(next_look(steps[-1]))
    assert steps[:11] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1012]
    assert max(b - a for a, b in pairwise(steps)) == 500


def test_a_look_holds_what_the_tensors_hold(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    with torch.no_grad():
        model[0].bias[:3] = -100.0
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = Observing(tmp_path, 0, ProbeSettings())
    run.watch(model, optimizer)
    x, before = torch.randn(8, 4), [p.detach().clone() for p in model.parameters()]
    loss = F.cross_entropy(model(x), torch.arange(8) % 3)
    loss.backward()
    optimizer.step()
    run.close()
    (look,) = seen(tmp_path)
    parameters = list(model.parameters())
    assert look["losses"] == pytest.approx([loss.item()], rel=1e-5)
    assert look["gradient_norm"] == pytest.approx([p.grad.norm().item() for p in parameters], 1e-4)
    updates = [(p - b).norm().item() for p, b in zip(parameters, before, strict=True)]
    assert look["update_norm"] == pytest.approx(updates, 1e-4)
    assert look["weight_bounds"][:2] == pytest.approx(
        [parameters[0].min().item(), parameters[0].max().item()], 1e-4
    )
    assert (look["layers"], look["dead_in"]) == (["0", "2"], ["0"])
    assert look["dead"][0] >= 0.5


def test_each_term_of_a_loss_is_weighed_by_its_gradient(looks):
    rows = [row for row in looks if "terms" in row]
    assert [row["step"] for row in rows] == [1, 4, 16]
    assert rows[0]["terms"] == ["Sum", "penalties.z"]
    main, penalty = rows[0]["term_gradient"]
    assert main > 10 * penalty > 0


def test_the_passes_of_training_and_of_evaluation_are_told_apart(looks):
    assert looks[-1]["forwards"]["train"] == looks[-1]["backwards"] == looks[-1]["step"]
    assert looks[-1]["forwards"]["eval_no_grad"] > 0
    assert looks[-1]["forwards"]["train_no_grad"] == 0


@pytest.mark.parametrize("p", [0.0, 0.1])
def test_a_hook_stays_on_a_model_only_where_its_mode_makes_a_difference(tmp_path, p):
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(p))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watch = Watch(Recorder(tmp_path / "observations.jsonl"), model, optimizer, None)
    watch.begin()
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()
    assert watch.due == 4
    assert bool(model._forward_pre_hooks) == (p > 0)
    watch.end()
    assert not model._forward_pre_hooks


def test_a_function_is_watched_without_naming_its_optimizer(tmp_path):
    run = Observing(tmp_path, 0, ProbeSettings())
    model = SmallCNN(width=4)
    run.watch(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(4, 1, 8, 8)), torch.arange(4)).backward()
        optimizer.step()
    run.close()
    assert [row["step"] for row in seen(tmp_path)] == [1, 2, 4]
    assert seen(tmp_path)[0]["not_handed"] == []


def test_backward_passes_without_a_step_are_told_before_the_end(tmp_path):
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Linear(2, 1)
    run.watch(model, torch.optim.SGD(model.parameters(), 0.1))
    for _ in range(20):
        model(torch.ones(1, 2)).sum().backward()
    assert seen(tmp_path, "stalled")[0]["backwards"] == 16
    run.close()


KILLED = """
import sys
from pathlib import Path
from omegaconf import OmegaConf
from bisector.train.loop import train
from bisector.train.observing import run_in
train(OmegaConf.load(sys.argv[2]), run_in(Path(sys.argv[1]), 0))
"""


def test_a_run_that_is_killed_leaves_what_was_seen_until_then(tmp_path):
    (tmp_path / "observe.json").write_text("{}", encoding="utf-8")
    long = OmegaConf.merge(RECIPE, {"trainer": {"steps": 10**6}})
    OmegaConf.save(long, tmp_path / "recipe.yaml")
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(tmp_path / "recipe.yaml")]
    child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    file = tmp_path / "observations.jsonl"
    while time.monotonic() < deadline and not (file.exists() and file.read_text().count("\n") > 8):
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert [row["step"] for row in seen(tmp_path)][:5] == [1, 2, 4, 8, 16]
