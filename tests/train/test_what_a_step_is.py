"""One step is counted once, however it is made; and the targets of a look are those of the loss."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.observing import Observing
from bisector.train.probes.settings import ProbeSettings


class Halved(torch.optim.SGD):
    """Goes half of the way."""

    @torch.no_grad()
    def step(self, closure=None):
        before = [p.clone() for p in self.param_groups[0]["params"]]
        super().step()
        for p, was in zip(self.param_groups[0]["params"], before, strict=True):
            p.lerp_(was, 0.5)


def trained(folder, make, loss, function=None):
    """The rows that six watched steps leave."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    # From now on torch tells of each of its steps.
    torch.optim.SGD(model.parameters())
    run, optimizer = Observing(folder, 0, ProbeSettings()), make(model.parameters(), 0.1)
    run.watch(model, optimizer, loss=loss)
    for step in range(6):
        value = (function or loss)(model(torch.randn(8, 4)), torch.arange(8) % 3)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        run.log(step + 1, loss=value)
    run.close()
    lines = (folder / "observations.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("make", [torch.optim.SGD, Halved])
def test_a_step_that_is_made_by_another_classs_step_is_one(tmp_path, make):
    rows = trained(tmp_path, make, nn.CrossEntropyLoss())
    looks = [row for row in rows if row["kind"] == "look"]
    assert rows[-1]["steps"] == 6
    assert [row["step"] for row in looks] == [1, 2, 4]
    assert all(min(row["update_norm"]) > 0 for row in looks)


def test_the_update_is_that_of_the_whole_step(tmp_path):
    for name in ("plain", "halved"):
        (tmp_path / name).mkdir()
    plain = trained(tmp_path / "plain", torch.optim.SGD, nn.CrossEntropyLoss())
    halved = trained(tmp_path / "halved", Halved, nn.CrossEntropyLoss())
    first = [
        next(r for r in rows if r["kind"] == "look")["update_norm"] for rows in (plain, halved)
    ]
    assert [2 * u for u in first[1]] == pytest.approx(first[0], rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "function"),
    [
        (nn.CrossEntropyLoss(), None),
        (None, F.cross_entropy),
        (None, lambda out, y: F.mse_loss(out[:, 0], y.float())),
    ],
)
def test_a_few_targets_are_those_that_the_loss_is_given(tmp_path, loss, function):
    rows = trained(tmp_path, torch.optim.SGD, loss, function)
    first = next(row for row in rows if row["kind"] == "look")
    assert first["targets"] == [0, 1, 2, 0, 1, 2, 0, 1]
