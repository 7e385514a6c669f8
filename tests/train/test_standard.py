"""Known-good data in the shape of anybody's: the pair of experiments that tells data from model."""

import json

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import TensorDataset

from bisector.rundir import SKIP
from bisector.train.alter import Pair, Seldom, widened
from bisector.train.loop import train
from bisector.train.run import Run
from bisector.train.schedule import WarmupCosine, risen
from bisector.train.standard import standard_for

N = 40
CLASSES = torch.arange(N) % 4


def taking(x, *outputs):
    """A model of inputs like `x`: one hidden layer, or a table of tokens."""
    shape = nn.Unflatten(1, outputs) if len(outputs) > 1 else nn.Identity()
    wide = int(torch.tensor(outputs).prod()) if outputs else 1
    if not x.is_floating_point() and x.dtype is not torch.uint8:
        return nn.Sequential(nn.Embedding(60, 16), nn.Flatten(), nn.LazyLinear(wide), shape)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(64), nn.ReLU(), nn.Linear(64, wide), shape)


CASES = {
    "images": (torch.rand(N, 3, 11, 7), CLASSES, (4,), "classes"),
    "bytes": (torch.randint(0, 255, (N, 1, 9, 9), dtype=torch.uint8), CLASSES, (4,), "classes"),
    "series": (torch.rand(N, 12, 5), CLASSES, (4,), "classes"),
    "few features": (torch.rand(N, 6), CLASSES % 3, (3,), "classes"),
    "many features": (torch.rand(N, 90), CLASSES % 2, (2,), "classes"),
    "a yes or no": (torch.rand(N, 8), (CLASSES % 2).float()[:, None], (1,), "binary"),
    "shares": (torch.rand(N, 20), F.one_hot(CLASSES).float(), (4,), "shares"),
    "a number": (torch.rand(N, 7), 5 + 3 * torch.randn(N, 1), (1,), "number"),
    "a number of an image": (torch.rand(N, 1, 8, 8), torch.randn(N), (), "number"),
    "text": (torch.randint(0, 60, (N, 16)), torch.randint(0, 60, (N, 16)), (16, 60), "next"),
    "topics": (torch.randint(0, 60, (N, 48)), CLASSES, (4,), "classes"),
}


def loss_of(kind, out, y):
    match kind:
        case "classes" | "shares":
            return F.cross_entropy(out, y)
        case "next":
            return F.cross_entropy(out.flatten(0, 1), y.flatten())
        case "binary":
            return F.binary_cross_entropy_with_logits(out, y)
        case _:
            return F.mse_loss(out.reshape(y.shape), y) / y.var()


@pytest.mark.parametrize("name", CASES)
def test_they_have_the_shape_and_type_of_ones_own_and_a_small_model_learns_from_them(name):
    x, y, outputs, kind = CASES[name]
    torch.manual_seed(0)
    model = taking(x, *outputs)
    own = TensorDataset(x, y)
    fit = nn.Sequential(Floats(), model) if x.dtype is torch.uint8 else model
    fit(x[:2])
    data = standard_for(fit, Pair(own, own), seed=1)
    given, target = data.train[0]
    assert (given.shape, given.dtype) == (x[0].shape, x.dtype)
    assert (target.shape, target.dtype) == (y[0].shape, y.dtype)
    xs, ys = data.train.tensors
    assert len(data.val) > len(xs) / 4
    optimizer = torch.optim.Adam(fit.parameters(), lr=0.01)
    order = torch.Generator().manual_seed(0)
    for _ in range(250):
        some = torch.randint(len(xs), (64,), generator=order)
        loss = loss_of(kind, fit(xs[some]), ys[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # A perceptron learns 331 patients, and letters by their place, by heart.
    seen = data.train if name in ("a number", "topics") else data.val
    with torch.no_grad():
        after = loss_of(kind, fit(seen.tensors[0]), seen.tensors[1])
    assert after < 0.8 * chance(kind, ys, outputs)


class Floats(nn.Module):
    def forward(self, x):
        return x.float() / 128 - 1


def chance(kind, ys, outputs):
    """What a constant answer costs."""
    if kind in ("classes", "next"):
        shares = ys.flatten().bincount().double()
        shares = shares[shares > 0] / shares.sum()
        return float(-(shares * shares.log()).sum())
    if kind == "binary":
        return 0.69
    return float(torch.tensor(float(outputs[0])).log()) if kind == "shares" else 1.0


def test_the_same_seed_gives_the_same_data():
    x, y, outputs, _ = CASES["images"]
    pair = Pair(TensorDataset(x, y), TensorDataset(x, y))
    one, two, other = (standard_for(taking(x, *outputs), pair, seed).train for seed in (1, 1, 2))
    assert torch.equal(one.tensors[0], two.tensors[0])
    assert not torch.equal(one.tensors[0], other.tensors[0])


def test_where_there_is_no_such_data_the_run_cannot_be_judged(capsys):
    masks = TensorDataset(torch.rand(N, 3, 8, 8), torch.zeros(N, 8, 8, dtype=torch.long))
    model = nn.Conv2d(3, 2, 1)
    with pytest.raises(SystemExit) as end:
        standard_for(model, Pair(masks, masks), 0)
    assert end.value.code == SKIP
    assert "no standard data have such targets" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["digits", "tabular", "charlm"])
def test_every_recipe_of_ours_trains_on_them(tmp_path, recipe):
    path = f"conf/recipe/{recipe}.yaml"
    cfg = OmegaConf.load(path)
    cfg = OmegaConf.merge(
        cfg,
        OmegaConf.from_dotlist(
            ["trainer.alter.standard=true", "trainer.epochs=null", "trainer.steps=40"]
        ),
    )
    if cfg.get("defaults"):
        cfg.loss = OmegaConf.load("conf/recipe/loss/cross_entropy.yaml")
        cfg.pop("defaults")
    train(cfg, Run(tmp_path, 0))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [r["value"] for r in rows if r["name"] == "loss"]
    assert losses[-1] < 0.9 * losses[0]


# --- the other changes that came with it ------------------------------------------------------------


def test_a_model_is_made_twice_as_wide_by_what_its_configuration_calls_its_width(capsys):
    node = OmegaConf.create({"_target_": "lab.Net", "width": 16, "depth": 3, "hidden": 5})
    assert dict(widened(node, 2.0)) == {
        "_target_": "lab.Net",
        "width": 32,
        "depth": 3,
        "hidden": 10,
    }
    with pytest.raises(SystemExit):
        widened(OmegaConf.create({"_target_": "lab.Net", "depth": 3}), 2.0)
    assert "names no width" in capsys.readouterr().err


def test_an_augmentation_at_half_changes_half_of_the_batches():
    seldom = Seldom(lambda x, y, rng: (x + 1, y), 0.5)
    rng = torch.Generator().manual_seed(0)
    changed = sum(float(seldom(torch.zeros(1), torch.zeros(1), rng)[0]) for _ in range(400))
    assert 160 < changed < 240


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_warm_up_rises_to_what_the_schedule_says_and_survives_a_checkpoint(scheduled):
    def made():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        inner = WarmupCosine(optimizer, steps=20) if scheduled else None
        return optimizer, risen(inner, optimizer, 4)

    def rates(optimizer, schedule, count):
        seen = []
        for _ in range(count):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return seen

    plain = [1.0] * 12
    if scheduled:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        plain = rates(optimizer, WarmupCosine(optimizer, steps=20), 12)
    optimizer, schedule = made()
    seen = rates(optimizer, schedule, 12)
    assert seen == pytest.approx([p * min(1, (i + 1) / 5) for i, p in enumerate(plain)])
    optimizer, schedule = made()
    first = rates(optimizer, schedule, 3)
    saved = optimizer.state_dict(), schedule.state_dict()
    optimizer, schedule = made()
    optimizer.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    assert first + rates(optimizer, schedule, 9) == pytest.approx(seen)
