"""A training that nobody edited is observed: the same bits, the same lines as of a recipe's run."""

import copy
import io
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.nn.modules.module import _global_forward_hooks
from torch.optim.optimizer import _global_optimizer_post_hooks

from bisector import rundir
from bisector.collect.facts import looked
from bisector.collect.onlooker import LossReader, onlooked
from bisector.model.evidence import OBSERVED_LOSS
from bisector.train.onlooker.onlooker import observe
from bisector.workload.onlooking import HOOK, observed

SCRIPT = """
import hashlib, random, sys
import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
x = torch.randn(256, 8)
y = (x @ torch.randn(8, 3)).argmax(1)
data = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, num_workers=int(sys.argv[1]))
model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), 0.02)
criterion = nn.CrossEntropyLoss()
for epoch in range(5):
    for bx, by in data:
        optimizer.zero_grad()
        criterion(model(bx), by).backward()
        optimizer.step()
parts = [t.numpy().tobytes() for t in model.state_dict().values()]
drawn = [str(torch.rand(3)), str(random.random()), str(np.random.rand())]
print(hashlib.sha256(b"".join(parts)).hexdigest(), drawn[0])
"""


@pytest.fixture
def onlooker(tmp_path):
    found = observe(str(tmp_path))
    yield found
    found.close()


def rows(folder, kind):
    path = folder / rundir.OBSERVATIONS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


def notes(folder):
    lines = (folder / rundir.ONLOOKER).read_text(encoding="utf-8").splitlines()
    return [word for line in lines for word in json.loads(line).values()]


def train(model, steps=6, optimizer=None, loss=F.cross_entropy):
    torch.manual_seed(0)
    optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(torch.randn(8, 4)), torch.arange(8) % 3).backward()
        optimizer.step()
    return model


def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def run(folder, script, *words, **env):
    folder.mkdir()
    (folder / "script.py").write_text(script)
    whole = {**os.environ, "OMP_NUM_THREADS": "1", rundir.ENV_RUNDIR: str(folder), **env}
    command = [sys.executable, "script.py", *words]
    return subprocess.run(
        command, cwd=folder, env=whole, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def test_an_unedited_script_trains_the_same_bits_and_leaves_what_was_seen(tmp_path):
    plain = run(tmp_path / "plain", SCRIPT, "0")
    folder = tmp_path / "observed"
    folder_env = observed({"PYTHONPATH": "theirs"}, tmp_path, 1.0)
    assert folder_env["PYTHONPATH"] == f"{HOOK}{os.pathsep}theirs"
    (tmp_path / "asked").mkdir()
    env = observed({}, tmp_path / "asked", 1.0)
    assert run(folder, SCRIPT, "1", **env, **{rundir.ENV_RUNDIR: str(tmp_path / "asked")}) == plain
    seen = looked(tmp_path / "asked")
    assert seen.facts["passes"]["steps"] == 40
    assert seen.facts["held"]["not_handed"] == []
    assert seen.facts["run_activations"]["layers"] == ["0", "4"]
    curve = LossReader().read(tmp_path / "asked")[OBSERVED_LOSS]
    assert curve.steps == tuple(range(1, 41))
    assert curve.last < curve.values[0]


def test_a_python_that_never_imports_torch_loads_nothing_and_runs_a_hidden_sitecustomize(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sitecustomize.py").write_text("print('theirs')")
    env = observed({"PYTHONPATH": str(tmp_path / "theirs")}, tmp_path, 1.0)
    script = "import sys; print(*[m for m in sys.modules if m.startswith('bisector')], len(sys.meta_path))"
    said = run(tmp_path / "run", script, **env, **{rundir.ENV_RUNDIR: str(tmp_path)})
    assert said.splitlines()[0] == "theirs"
    assert "bisector" not in said
    (tmp_path / rundir.EXIT).write_text("{}")
    assert set(onlooked(tmp_path).absent.values()) == {"its Python did not import torch"}


def test_only_the_first_of_several_processes_observes(tmp_path):
    env = observed({}, tmp_path, 1.0)
    run(tmp_path / "run", "", **env, **{rundir.ENV_RUNDIR: str(tmp_path), "RANK": "1"})
    assert not (tmp_path / rundir.ONLOOKER).exists()


def test_the_script_of_the_hook_knows_the_names_of_the_run_directory():
    text = (HOOK / "sitecustomize.py").read_text()
    for name in (rundir.ENV_RUNDIR, rundir.OBSERVE, rundir.ONLOOKER):
        assert f'"{name}"' in text


def test_the_loss_that_a_module_gave_is_recognised(tmp_path, onlooker):
    train(small(), loss=nn.CrossEntropyLoss())
    assert isinstance(onlooker.watch.loss, nn.CrossEntropyLoss)
    assert [row["step"] for row in rows(tmp_path, "look")] == [1, 2, 4]


def test_modules_that_a_script_calls_one_after_the_other_are_one_model(tmp_path, onlooker):
    encoder, head = nn.Linear(4, 5), nn.Linear(5, 3)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], 0.1)
    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(head(encoder(torch.randn(8, 4))), torch.arange(8) % 3).backward()
        optimizer.step()
    (start,) = rows(tmp_path, "start")
    assert start["parameters"] == ["encoder.weight", "encoder.bias", "head.weight", "head.bias"]
    assert start["foreign"] == 0
    assert rows(tmp_path, "look")[-1]["layers"] == ["encoder", "head"]


def test_parameters_that_the_optimizer_lacks_are_told(tmp_path, onlooker):
    model = small()
    train(model, optimizer=torch.optim.SGD(model[2].parameters(), 0.1))
    onlooker.close()
    assert looked(tmp_path).facts["held"]["not_handed"] == ["0.weight", "0.bias"]


def test_an_optimizer_of_a_model_that_was_replaced_is_told(tmp_path, onlooker):
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    train(copy.deepcopy(model), optimizer=optimizer)
    onlooker.close()
    held = looked(tmp_path).facts["held"]
    assert held["not_handed"] == held["parameters"] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_backward_passes_without_a_step_are_counted(tmp_path, onlooker):
    model = small()
    torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(40):
        model(torch.ones(2, 4)).sum().backward()
    onlooker.close()
    passes = looked(tmp_path).facts["passes"]
    assert (passes["backwards"], passes["steps"]) == (40, 0)


def test_two_optimizers_in_turns_are_one_that_is_watched_and_a_remark(tmp_path, onlooker):
    critic, maker = nn.Linear(4, 1), nn.Linear(2, 4)
    ones = {m: torch.optim.Adam(m.parameters(), 0.01) for m in (critic, maker)}
    for _ in range(5):
        ones[critic].zero_grad()
        fake = maker(torch.randn(8, 2))
        (critic(fake.detach()).mean() - critic(torch.randn(8, 4)).mean()).backward()
        ones[critic].step()
        ones[maker].zero_grad()
        (-critic(fake).mean()).backward()
        ones[maker].step()
    onlooker.close()
    assert rows(tmp_path, "start")[0]["parameters"] == ["weight", "bias"]
    assert rows(tmp_path, "start")[0]["shapes"][0] == [1, 4]
    assert any("another optimizer" in note for note in notes(tmp_path))


def test_a_closure_is_followed(tmp_path, onlooker):
    model = small()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(torch.ones(8, 4)), torch.arange(8) % 3)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    onlooker.close()
    assert looked(tmp_path).facts["passes"]["steps"] == 5
    assert LossReader().read(tmp_path)[OBSERVED_LOSS].steps == (1, 2, 3, 4, 5)


def test_a_watched_model_can_be_copied_and_saved_and_the_copy_has_no_hooks_of_ours(onlooker):
    model = train(nn.Sequential(small(), nn.BatchNorm1d(3)))
    copied = copy.deepcopy(model)
    saved = io.BytesIO()
    torch.save(model, saved)
    saved.seek(0)
    for other in (copied, torch.load(saved, weights_only=False)):
        assert torch.equal(other(torch.ones(2, 4)), model(torch.ones(2, 4)))
    assert onlooker.watch.passes.forwards["train"] == 6 - 1 + 2


def test_a_fault_of_the_observation_ends_it_and_not_the_training(tmp_path, monkeypatch):
    plain, model = train(small()), small()
    onlooker = observe(str(tmp_path))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    train(model, steps=3, optimizer=optimizer)
    broken = RuntimeError("planted")
    monkeypatch.setattr(
        onlooker.watch.recorder, "send", lambda *_, **__: (_ for _ in ()).throw(broken)
    )
    model.load_state_dict(small().state_dict())
    train(model, optimizer=optimizer)
    assert all(
        torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True)
    )
    assert "not observed any more: RuntimeError: planted" in notes(tmp_path)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    monkeypatch.undo()
    onlooker.close()


def test_what_is_compiled_is_observed_from_outside(tmp_path, onlooker):
    model = small()
    train(torch.compile(model, backend="eager"), optimizer=torch.optim.SGD(model.parameters(), 0.1))
    onlooker.close()
    seen = looked(tmp_path)
    assert seen.facts["passes"]["steps"] == 6
    assert "run_activations" not in seen.facts
    assert any("torch.compile" in note for note in notes(tmp_path))


def test_when_it_is_over_torch_is_as_it_was(tmp_path):
    before = (
        torch.autograd.backward,
        torch.optim.Optimizer.__init__,
        torch.compile,
        torch.jit.script,
    )
    onlooker = observe(str(tmp_path))
    model = train(small())
    onlooker.close()
    assert before == (
        torch.autograd.backward, torch.optim.Optimizer.__init__, torch.compile, torch.jit.script,
    )  # fmt: skip
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert not _global_optimizer_post_hooks
    assert not _global_forward_hooks


def born(tmp_path, onlooker, model, loss=F.cross_entropy, steps=4):
    train(model, steps=steps, loss=loss)
    onlooker.close()
    return looked(tmp_path).facts["nonfinite"]


class Rooted(nn.Module):
    """Takes the root of what a layer gives: of negative numbers, or with a slope at 0."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.scale, self.offset = scale, offset

    def forward(self, x):
        return self.head((self.body(x) * self.scale - self.offset).sqrt())


def test_a_nan_in_a_forward_pass_is_told_with_operation_and_module(tmp_path, onlooker):
    found = born(tmp_path, onlooker, nn.Sequential(nn.Linear(4, 4), Rooted(1.0, 9.0)))
    assert (found["operator"], found["phase"], found["module"]) == ("sqrt", "forward", "1")
    assert "test_onlooker.py" in found["where"]
    assert found["born"] == "operation"


def test_a_nan_in_a_backward_pass_is_told_before_the_step_spoils_the_weights(tmp_path, onlooker):
    found = born(tmp_path, onlooker, Rooted(0.0, 0.0))
    assert found["phase"] == "backward"
    assert "the slope of sqrt at 0" in found["cause"]


def test_a_nan_in_what_the_script_computes_itself_is_read_from_the_graph(tmp_path, onlooker):
    def entropy(out, target):
        chances = torch.softmax(out * 400, 1)
        return F.cross_entropy(out, target) + (chances * chances.log()).sum(1).mean()

    found = born(tmp_path, onlooker, small(), entropy)
    assert (found["operator"], found["phase"]) == ("log", "forward")
    assert "the logarithm of 0" in found["cause"]
    assert "the loss, outside of the model" in found["where"]


def test_doing_a_pass_again_leaves_no_trace(tmp_path):
    """Drawn numbers and running statistics go on as if nothing had been done twice."""

    def left(observing):
        onlooker = observe(str(tmp_path)) if observing else None
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
        train(
            model, loss=lambda out, y: F.cross_entropy(out, y) + (out.sum() - out.sum()).log() * 0
        )
        drawn = torch.rand(4)
        if onlooker is not None:
            onlooker.close()
        return [*model.state_dict().values(), drawn]

    for plain, seen in zip(left(False), left(True), strict=True):
        assert torch.equal(plain.nan_to_num(), seen.nan_to_num())
    assert looked(tmp_path).facts["nonfinite"]["step"] == 1


def test_a_loss_scaled_for_half_precision_is_told_as_it_was(tmp_path, onlooker):
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu")
    meant = []
    for _ in range(4):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(torch.ones(8, 4)), torch.arange(8) % 3)
        meant.append(loss.item())
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    onlooker.close()
    curve = LossReader().read(tmp_path)[OBSERVED_LOSS]
    assert curve.values == pytest.approx(meant, rel=1e-4)


def test_batches_that_are_accumulated_are_one_step_with_their_mean_loss(tmp_path, onlooker):
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for number in range(12):
        loss = F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 3)
        losses.append(loss.item())
        loss.backward()
        if number % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()
    onlooker.close()
    curve = LossReader().read(tmp_path)[OBSERVED_LOSS]
    assert curve.steps == (1, 2, 3, 4)
    assert curve.values == pytest.approx(
        [sum(losses[i : i + 3]) / 3 for i in (0, 3, 6, 9)], rel=1e-4
    )


def test_the_first_batches_are_described(tmp_path, onlooker):
    train(small())
    onlooker.close()
    batches = rows(tmp_path, "batch")
    assert [b["step"] for b in batches] == [1, 2, 3]
    torch.manual_seed(0)
    first = torch.randn(8, 4)
    assert (batches[0]["shapes"], batches[0]["kinds"]) == ([[8, 4]], ["float32"])
    assert batches[0]["bounds"] == pytest.approx([first.min().item(), first.max().item()], rel=1e-4)
    assert batches[0]["finite"] == [1.0]
