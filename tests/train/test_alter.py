"""The changes that our loop makes of any recipe: each does what it says, and all off change nothing."""

import copy
import json

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils.data import TensorDataset

from bisector.rundir import SKIP
from bisector.train.alter import altered_splits, labels
from bisector.train.loop import train
from bisector.train.parts import build
from bisector.train.reference import reference_for
from bisector.train.run import Run
from bisector.train.scores import give_scores
from bisector.train.settings import AlterSettings
from bisector.train.standard_loss import StandardLoss

TABULAR = "bisector.recipes.tabular"
RECIPE = {
    "data": {
        "source": {"_target_": f"{TABULAR}.BreastCancer"},
        "augment": {"noise": {"_target_": f"{TABULAR}.FeatureNoise"}},
    },
    "model": {"_target_": f"{TABULAR}.MLP", "width": 8, "dropout": 0.2},
    "loss": {"_target_": f"{TABULAR}.CrossEntropy", "label_smoothing": 0.1},
    "metric": {"_target_": f"{TABULAR}.scores", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.05, "weight_decay": 0.01},
    "trainer": {"steps": 24, "batch_size": 32, "log_every": 5},
}


def parts(tmp_path, *changes):
    changed = [f"trainer.alter.{c}" for c in changes]
    recipe = OmegaConf.merge(OmegaConf.create(RECIPE), OmegaConf.from_dotlist(changed))
    return build(recipe, Run(tmp_path, 1))


def metrics(tmp_path, name, *changes):
    folder = tmp_path / name
    folder.mkdir()
    recipe = OmegaConf.merge(OmegaConf.create(RECIPE), OmegaConf.from_dotlist(list(changes)))
    train(recipe, Run(folder, 1))
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [(r["step"], r["name"], r["value"]) for r in rows], folder


def data(n=40):
    x = torch.arange(n * 3, dtype=torch.float32).view(n, 3) ** 1.5
    return TensorDataset(x, (torch.arange(n) % 10 == 0).long())


def splits(**alter):
    return altered_splits(AlterSettings(**alter), data(), data(20), 7)


def test_a_training_that_nothing_is_changed_of_has_the_same_bits(tmp_path):
    plain, _ = metrics(tmp_path, "plain")
    off, _ = metrics(tmp_path, "off", "trainer.alter.time=1.0", "trainer.alter.share=null")
    assert plain == off


def test_a_tiny_set_is_evaluated_on_and_what_it_keeps_of_its_loss_is_recorded(tmp_path):
    rows, folder = metrics(tmp_path, "tiny", "trainer.alter.tiny=4", "trainer.steps=300")
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["tiny_set"] == facts["n_val"] == 4
    assert facts["tiny_set_kept"] < 0.1
    assert next(s for s, name, _ in rows if name == "val_loss") == 0
    stuck = ["trainer.alter.tiny=4", "optimizer.lr=0.0"]
    _, folder = metrics(tmp_path, "stuck", *stuck)
    assert json.loads((folder / "facts.json").read_text())["tiny_set_kept"] > 0.9


def test_the_same_samples_are_chosen_again_and_lower_rungs_lie_within_higher_ones():
    few, more = splits(tiny=4).train, splits(tiny=8).train
    assert few.indices == more.indices[:4]
    assert len(splits(tiny=0.1).train) == 4
    assert (len(splits(share=0.5).train), len(splits(share=0.5).val)) == (20, 20)


def test_permuted_targets_keep_their_counts_and_lose_their_inputs():
    changed = splits(permute=True)
    assert sorted(labels(changed.train)) == sorted(labels(data()))
    assert labels(changed.train) != labels(data())
    assert labels(changed.val) == labels(data(20))


def test_noise_has_the_shape_type_and_scale_of_the_inputs_and_is_the_same_every_epoch():
    noise = splits(noise=True).train
    x, y = noise[3]
    assert (x.shape, x.dtype, y) == (data()[3][0].shape, torch.float32, data()[3][1])
    assert torch.equal(x, noise[3][0])
    assert not torch.equal(x, data()[3][0])
    tokens = TensorDataset(torch.randint(5, 9, (30, 6)), torch.zeros(30))
    drawn = altered_splits(AlterSettings(noise=True), tokens, tokens, 0).train[0][0]
    assert drawn.dtype is torch.int64
    assert 5 <= drawn.min() <= drawn.max() <= 8


def test_both_splits_are_standardised_by_the_training_split():
    changed = splits(standardise=True)
    x = torch.stack([changed.train[i][0] for i in range(40)])
    assert torch.allclose(x.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(x.std(0), torch.ones(3), atol=1e-5)
    assert torch.equal(changed.val[0][0], changed.train[0][0])


def test_classes_are_drawn_evenly_and_as_many_samples_as_before():
    counts = torch.tensor(labels(splits(balance=True).train)).bincount()
    assert counts.tolist() == [20, 20]


def test_only_the_samples_of_the_first_classes_are_kept():
    y = torch.arange(30) % 5
    many = TensorDataset(torch.zeros(30, 2), y)
    kept = altered_splits(AlterSettings(classes=2), many, many, 0)
    assert set(labels(kept.train)) == set(labels(kept.val)) == {0, 1}


def test_what_cannot_be_changed_ends_the_run_as_one_that_cannot_be_judged(capsys):
    real = TensorDataset(torch.zeros(4, 2), torch.zeros(4))
    with pytest.raises(SystemExit) as end:
        altered_splits(AlterSettings(classes=2), real, real, 0)
    assert end.value.code == SKIP
    assert "not class numbers" in capsys.readouterr().err


def test_regularisation_is_scaled_wherever_torch_names_it(tmp_path):
    changed = parts(tmp_path, "regularise=0.1")
    dropouts = [m.p for m in changed.model.modules() if isinstance(m, nn.Dropout)]
    assert dropouts == pytest.approx([0.02] * len(dropouts))
    assert dropouts
    assert changed.loss.label_smoothing == pytest.approx(0.01)
    assert changed.optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.001)


def test_smaller_batches_see_as_many_samples_and_longer_trainings_more(tmp_path):
    small = parts(tmp_path, "batch=0.25")
    assert (small.order.batch_size, small.planned) == (8, 96)
    assert parts(tmp_path, "time=2").planned == 48
    assert parts(tmp_path, "share=0.5").planned == 24, "as many updates"


def test_the_optimizer_and_the_augmentations_are_replaced(tmp_path):
    changed = parts(tmp_path, "optimizer=adamw", "augment=0")
    assert type(changed.optimizer) is torch.optim.AdamW
    assert changed.augments == {}


@pytest.mark.parametrize(
    ("x", "model"),
    [
        (torch.rand(8, 5), nn.Linear(5, 3)),
        (torch.rand(8, 2, 9, 7), nn.Sequential(nn.Flatten(), nn.Linear(126, 4))),
        (torch.randint(0, 11, (8, 6)), nn.Embedding(11, 11)),
        (torch.randint(0, 11, (8, 6)), nn.Sequential(nn.Embedding(11, 2), nn.Flatten())),
    ],
    ids=["features", "images", "tokens, each", "tokens, one"],
)
def test_the_reference_model_fits_where_the_recipes_model_stood(x, model):
    reference = reference_for(model, TensorDataset(x, torch.zeros(8)))
    assert reference(x).shape == model(x).shape
    assert all(p.requires_grad for p in reference.parameters())


def test_frozen_parameters_are_trained_and_layers_begin_anew(tmp_path):
    torch.manual_seed(0)
    plain = parts(tmp_path)
    anew = parts(tmp_path, "initialise=true", "unfreeze=true")
    assert all(p.requires_grad for p in anew.model.parameters())
    first, other = (next(p.model.parameters()) for p in (plain, anew))
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("output", "target", "like"),
    [
        ((6, 3), torch.tensor([0, 1, 2, 0, 1, 2]), nn.functional.cross_entropy),
        ((2, 3, 4), torch.tensor([[0, 1, 2], [3, 2, 1]]), "tokens"),
        ((6, 3), torch.eye(3).repeat(2, 1), nn.functional.cross_entropy),
        ((6, 1), torch.tensor([0, 1, 0, 1, 1, 0]), "yes or no"),
        ((6, 1), torch.linspace(-1, 1, 6), "numbers"),
    ],
    ids=["classes", "next tokens", "probabilities", "yes or no", "numbers"],
)  # fmt: skip
def test_the_standard_loss_is_the_one_for_the_targets(output, target, like):
    scores = torch.randn(output, generator=torch.Generator().manual_seed(0))
    usual = {
        "tokens": lambda o, t: nn.functional.cross_entropy(o.flatten(0, 1), t.flatten()),
        "yes or no": lambda o, t: nn.functional.binary_cross_entropy_with_logits(o[:, 0], 1.0 * t),
        "numbers": lambda o, t: nn.functional.mse_loss(o[:, 0], t),
    }
    wanted = usual.get(like, like)
    assert torch.allclose(StandardLoss()(scores, target), wanted(scores, target))


def test_a_standard_loss_that_there_is_not_ends_the_run_as_one_that_says_nothing():
    with pytest.raises(SystemExit) as ended:
        StandardLoss()(torch.zeros(4, 3), torch.zeros(4, 2))
    assert ended.value.code == SKIP


def test_unfreezing_hands_the_optimizer_what_it_was_not_given(tmp_path):
    few = "optimizer._target_=test_alter.biases_only"
    held = {}
    for name, changes in {"given": [few], "unfrozen": [few, "trainer.alter.unfreeze=true"]}.items():
        recipe = OmegaConf.merge(OmegaConf.create(RECIPE), OmegaConf.from_dotlist(changes))
        made = build(recipe, Run(tmp_path, 1))
        held[name] = sum(len(group["params"]) for group in made.optimizer.param_groups)
    assert held["unfrozen"] == len(list(made.model.parameters())) > held["given"]


def biases_only(params, lr, **_):
    return torch.optim.SGD([p for p in params if p.ndim == 1], lr=lr)


class Ended(nn.Module):
    """A layer, and what comes after it."""

    def __init__(self, end):
        super().__init__()
        self.last = nn.Linear(4, 3)
        self.end = end

    def forward(self, x):
        return self.end(self.last(x.relu()))


ENDS = {
    "function": lambda out: out.softmax(1),
    "module": nn.Softmax(dim=1),
    "relu": nn.ReLU(),
    "cut": lambda out: out.clamp(-1, 1),
    "moved": lambda out: torch.sigmoid(out).flatten(),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_model_gives_its_scores_without_the_activation_that_it_ends_with(end):
    model, x = Ended(ENDS[end]), torch.randn(5, 4)
    expected = model.last(x.relu())
    give_scores(model)
    assert torch.equal(model(x), expected.flatten() if end == "moved" else expected)
    twin = copy.deepcopy(model)
    twin(x).sum().backward()
    assert model.last.weight.grad is None
    assert twin.last.weight.grad is not None
    with torch.no_grad():
        assert torch.equal(model.eval()(x), expected.flatten() if end == "moved" else expected)


@pytest.mark.parametrize("end", [nn.Identity(), lambda out: out.tanh() * 10])
def test_of_a_model_that_ends_with_no_activation_none_is_left_out(end, capsys):
    model = Ended(end)
    give_scores(model)
    with pytest.raises(SystemExit) as ended:
        model(torch.randn(5, 4))
    assert ended.value.code == SKIP
    assert "does not end with an activation" in capsys.readouterr().err


def test_a_recipe_s_model_made_again_is_without_its_last_activation_too(tmp_path):
    changed = parts(tmp_path, "scores=true").again()
    with pytest.raises(SystemExit):
        changed(torch.randn(3, 30))
