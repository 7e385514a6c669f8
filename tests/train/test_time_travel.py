"""A step that is not finite is done again: the operation, its cause and the samples are named."""

import os
from dataclasses import replace
from itertools import count

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.checks.run_catalogue import RUN
from bisector.collect.observations import observed
from bisector.diagnose import Terms, diagnose
from bisector.model.finding import Stage
from bisector.train.loop import Training
from bisector.train.observing import Observing
from bisector.train.parts import build
from bisector.train.probes.ring import size_of
from bisector.train.probes.settings import ProbeSettings
from bisector.train.run import Run

TABULAR = "bisector.recipes.tabular"
RECIPE = {
    "data": {"source": {"_target_": f"{TABULAR}.BreastCancer"}, "augment": {}},
    "model": {"_target_": f"{TABULAR}.MLP", "width": 16, "dropout": 0.2},
    "loss": {"_target_": f"{TABULAR}.CrossEntropy"},
    "metric": {"_target_": f"{TABULAR}.scores", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.01},
    "trainer": {"steps": 40, "batch_size": 32, "stop_on_nonfinite": True},
}


class LossOf(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, out, y):
        return self.function(out, y)


def after(steps, function):
    """A loss that is cross-entropy at first, and then something else as well."""
    calls = []

    def loss(out, y):
        calls.append(None)
        sound = F.cross_entropy(out, y)
        return sound if len(calls) <= steps else sound + function(out, y)

    return loss


def trained(run, loss=None, **changes):
    recipe = OmegaConf.merge(RECIPE, changes)
    training = Training(build(recipe, run), run)
    if loss is not None:
        training.parts = replace(training.parts, loss=LossOf(loss))
    run.watch(training.parts.model, training.parts.optimizer, loss=training.parts.loss)
    training.go_on()
    return training


def found(rundir, loss=None, settings=None, **changes):
    run = Observing(rundir, 5, settings or ProbeSettings())
    trained(run, loss, **changes)
    run.close()
    return observed(rundir).facts["nonfinite"]


def of_class(out, y):
    return out.softmax(1)[torch.arange(len(y)), y]


# What fails does so by the state of the training, not by a count of calls: those are done again.
BIRTHS = {
    "log": (
        lambda out, y: -(of_class(out, y) - 0.3).clamp_min(0).log().mean(),
        ("forward", "log", "operation", "the logarithm of 0"),
    ),
    "square root": (
        lambda out, y: F.cross_entropy(out, y) + (0.0 * out[:, 0]).abs().sqrt().mean(),
        ("backward", "div, the gradient of sqrt", "operation", "the slope of sqrt at 0"),
    ),
    "a number that is written down": (
        lambda out, y: F.cross_entropy(out, y) + 0.0 * ((10 + out) * 1e38).mean(),
        ("forward", "mul", "operation", "values of up to 1"),
    ),
    "division": (
        lambda out, y: (F.cross_entropy(out, y, reduction="none") / (y - y.float())).mean(),
        ("forward", "div", "operation", "a division by 0"),
    ),
    "exp": (
        lambda out, y: -((300 * out).exp()[:, 0] / (300 * out).exp().sum(1)).log().mean(),
        ("forward", "exp", "operation", "exp of "),
    ),
    "mask": (
        lambda out, y: (
            F.cross_entropy(out, y)
            + out.masked_fill((y == 0)[:, None], -torch.inf).softmax(1).square().mean()
        ),
        ("forward", "_softmax", "mask", "a row in which everything is masked"),
    ),
    "half": (
        lambda out, y: F.cross_entropy(out, y) + (1e6 * (1 + out.square())).half().float().mean(),
        ("forward", "_to_copy", "half", "a value beyond 65,504"),
    ),
    "growth": (
        lambda out, y: (out * 1e15).pow(3).sum(),
        ("forward", "pow", "grown", "an overflow of values"),
    ),
    "entropy": (
        lambda out, y: (p := (900 * out).softmax(1)).mul(p.log()).sum(),
        ("forward", "log", "operation", "the logarithm of 0"),
    ),
    "behind a where": (
        lambda out, y: torch.where(p := out > 0, (out * p).sqrt(), out).sum(),
        ("backward", "div, the gradient of sqrt", "operation", "the slope of sqrt at 0"),
    ),
    "arc cosine": (
        lambda out, y: (1.001 * F.normalize(out[:, :1])).acos().sum(),
        ("forward", "acos", "operation", "the arc cosine of 1"),
    ),
    "arc cosine's slope": (
        lambda out, y: (900 * out).tanh().acos().sum(),
        ("backward", "rsqrt, the gradient of acos", "operation", "the slope of the arc cosine at"),
    ),
    "log1p": (
        lambda out, y: torch.log1p(-(900 * out).softmax(1)).mean(),
        ("forward", "log1p", "operation", "log(1 + x) of -1"),
    ),
    "empty selection": (
        lambda out, y: F.cross_entropy(out, y) + out[out > 1e9].mean(),
        ("forward", "mean", "operation", "the mean of no values at all"),
    ),
    "one value's deviation": (
        lambda out, y: F.cross_entropy(out, y) + out[:1, 0].std(),
        ("forward", "std", "operation", "the deviation of a single value"),
    ),
    "all targets ignored": (
        lambda out, y: F.cross_entropy(out, torch.full_like(y, -100)),
        ("forward", "nll_loss_forward", "operation", "a mean over no target"),
    ),
    "a weight made before": (
        lambda out, y: F.cross_entropy(out, y, weight=torch.tensor([1.0, torch.inf])),
        ("forward", "nll_loss_forward", "operation", "arithmetic with an infinity"),
    ),
    "0 times a mask": (
        lambda out, y: F.cross_entropy(out, y) + (0 * out * NOTHING).sum(),
        ("forward", "mul", "operation", "0 times infinity"),
    ),
    "product": (
        lambda out, y: (50 + out.flatten()).prod(),
        ("forward", "prod", "operation", "the product of many values, up to 5"),
    ),
    "norm without epsilon": (
        lambda out, y: F.layer_norm(0 * out, out.shape[1:], eps=0.0).sum(),
        ("forward", "native_layer_norm", "operation", "a normalisation, with an epsilon of 0"),
    ),
    "somebody's own gradient": (
        lambda out, y: F.cross_entropy(out, y) + Hinge.apply(out).mean(),
        ("backward", "div, the gradient of Hinge", "operation", "a division by 0"),
    ),
    "written down": (
        lambda out, y: F.cross_entropy(out, y) * (torch.nan if y.sum() > 0 else 1.0),
        ("forward", "mul", "operation", "a NaN that the code writes here"),
    ),
}
NOTHING = torch.full((2,), -torch.inf)


class Hinge(torch.autograd.Function):
    """A rectifier whose slope somebody computed as a quotient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp_min(0)

    @staticmethod
    def backward(ctx, slope):
        (x,) = ctx.saved_tensors
        return slope * (x.clamp_min(0) / x.clamp_min(0))


@pytest.mark.filterwarnings("ignore:std")
@pytest.mark.parametrize("name", BIRTHS)
def test_where_a_value_was_born_is_named_with_its_cause(tmp_path, name):
    loss, (phase, operator, born, cause) = BIRTHS[name]
    seen = found(tmp_path, loss)
    assert (seen["phase"], seen["operator"], seen["born"]) == (phase, operator, born)
    assert seen["cause"].startswith(cause)
    assert seen["module"] == "the loss"
    assert "test_time_travel.py" in seen["where"]
    assert seen["exact"]
    assert seen["inputs"]
    assert len(seen["path"]) >= 2
    diagnosis = diagnose(RUN, observed(tmp_path).facts, {}, Terms(), stages={Stage.RUN})
    assert ("R37c" if born == "grown" else "R37b") in [f.check for f in diagnosis.findings]


@pytest.mark.parametrize("way", ["fused", "foreach"])
def test_a_step_over_all_weights_at_once_is_taken_apart(tmp_path, way):
    adam = {"_target_": "torch.optim.Adam", "eps": 0.0, way: True}
    seen = found(tmp_path, lambda out, y: out[:, 0].square().mean(), optimizer=adam)
    assert (seen["step"], seen["phase"], seen["born"]) == (1, "update", "operation")
    assert seen["cause"].startswith("a division by")
    assert seen["exact"]


def test_it_is_found_late_in_a_training_at_the_very_step(tmp_path):
    seen = found(tmp_path, lambda out, y: -(of_class(out, y) - 1e-4).clamp_min(0).log().mean(),
                 optimizer={"lr": 0.02}, trainer={"steps": 400, "log_every": 100})  # fmt: skip
    assert seen["operator"] == "log"
    assert seen["step"] > 20
    assert len(seen["losses_before"]) == 5
    assert seen["exact"]
    assert 1 <= len(seen["samples"]) <= 3


def test_a_sample_that_is_not_finite_is_named_by_its_number(tmp_path):
    run = Observing(tmp_path, 5, ProbeSettings())
    training = Training(build(OmegaConf.create(RECIPE), run), run)
    training.parts.data.train.tensors[0][123, 4] = float("nan")
    run.watch(training.parts.model, training.parts.optimizer)
    training.go_on()
    run.close()
    seen = observed(tmp_path).facts["nonfinite"]
    assert (seen["born"], seen["samples"]) == ("input", [123])
    assert seen["module"] == "layers.0"


def test_a_training_that_goes_on_is_not_changed_by_the_look_back(tmp_path):
    loss = lambda out, y: F.cross_entropy(out, y) + (0 * out.detach().sum() / 0).nan_to_num()  # noqa: E731
    bad = lambda out, y: loss(out, y) + torch.where(y.float().mean() > 0.75, torch.nan, 0.0)  # noqa: E731
    changes = {"trainer": {"stop_on_nonfinite": False, "log_every": 1}}
    (tmp_path / "plain").mkdir()
    plain = trained(Run(tmp_path / "plain", 5), bad, **changes).parts.model.state_dict()
    run = Observing(tmp_path, 5, ProbeSettings())
    watched = trained(run, bad, **changes).parts.model.state_dict()
    run.close()
    assert observed(tmp_path).facts["nonfinite"]["met"]
    for name, value in plain.items():
        torch.testing.assert_close(value, watched[name], rtol=0, atol=0, equal_nan=True)


def test_what_cannot_be_done_again_bit_for_bit_is_said(tmp_path):
    noise = lambda: int.from_bytes(os.urandom(4)) / 2**32  # noqa: E731
    seen = found(tmp_path, lambda out, y: (F.cross_entropy(out, y) + noise()) / (out * 0).sum())
    assert seen["operator"] == "div"
    assert not seen["exact"] or seen["step"] == 1
    calls = count()
    (tmp_path / "again").mkdir()
    once = lambda out, y: F.cross_entropy(out, y) + (torch.nan if next(calls) == 6 else 0.0)  # noqa: E731
    again = found(tmp_path / "again", once)
    assert not again["exact"]


def test_the_memory_of_the_ring_is_bounded_and_what_does_not_fit_is_said(tmp_path):
    run = Observing(tmp_path, 5, ProbeSettings(memory_mb=0.1))
    training = trained(run, trainer={"steps": 200})
    ring = run.ring
    held = sum(size_of(k.state) for k in ring.kept) + sum(map(size_of, ring.batches))
    assert 0 < held <= 0.1 * 2**20
    assert not ring.off
    run.close()
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    seen = found(tiny, lambda out, y: out.sum() / 0, ProbeSettings(memory_mb=0.001))
    assert seen["because"] == "a state and its batches do not fit into 0.001 MB"
    assert training.step == 200


def test_a_function_whose_steps_are_its_own_is_told_the_operation_of_the_loss(tmp_path):
    torch.manual_seed(0)
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run.watch(model, optimizer)
    for scale in (1.0, 1.0, 1e3):
        p = (scale * model(torch.randn(8, 4))).softmax(1)
        optimizer.zero_grad()
        (p * p.log()).sum().backward()
        optimizer.step()
    run.close()
    seen = observed(tmp_path).facts["nonfinite"]
    assert (seen["step"], seen["operator"], seen["cause"]) == (3, "log", "the logarithm of 0")
    assert not model._forward_pre_hooks


SLOPES = {
    "sqrt": (lambda z: z.sqrt(), "the slope of sqrt at 0"),
    "log": (lambda z: torch.where(z > 0, z.log(), 0.0), "the slope of log at 0"),
    "acos": (lambda z: (1 - z).acos(), "the slope of the arc cosine at -1 or 1"),
    "pow": (lambda z: z.pow(0.3), "the slope of this power at 0"),
}


@pytest.mark.parametrize("operator", SLOPES)
def test_a_function_is_told_the_operation_of_its_loss_whose_slope_is_infinite(tmp_path, operator):
    torch.manual_seed(0)
    penalty, cause = SLOPES[operator]
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run.watch(model, optimizer)
    for apart in (0.5, 0.5, 0.0):
        out = model(torch.randn(8, 4))
        distance = (out - out.detach() + apart).square()
        optimizer.zero_grad()
        (F.cross_entropy(out, torch.arange(8) % 3) + penalty(distance).mean()).backward()
        optimizer.step()
    run.close()
    seen = observed(tmp_path).facts["nonfinite"]
    assert (seen["step"], seen["phase"]) == (3, "backward")
    assert (seen["operator"], seen["cause"]) == (f"the gradient of {operator}", cause)
    assert seen["where"] == "in the loss, outside of the model"


def test_a_gradient_that_only_a_hook_of_its_own_can_spoil_is_told_by_what_became_of_the_step(
    tmp_path,
):
    torch.manual_seed(0)
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run.watch(model, optimizer)
    for step in range(1, 41):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 3).backward()
        if step == 33:
            model.weight.grad.mul_(torch.nan)
        optimizer.step()
    run.close()
    seen = observed(tmp_path).facts["nonfinite"]
    assert seen["step"] == 34
    assert "weight was not finite before the step, by the update of step 33" in seen["because"]


def test_a_loss_that_grows_large_has_every_gradient_looked_at(tmp_path):
    torch.manual_seed(0)
    run = Observing(tmp_path, 0, ProbeSettings())
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    run.watch(model, optimizer)
    for step in range(1, 10):
        optimizer.zero_grad()
        (model(torch.ones(8, 4)).mean() * (1e8 if step > 5 else 1.0)).backward()
        if step == 7:
            model.bias.grad.mul_(torch.inf)
        optimizer.step()
    run.close()
    seen = observed(tmp_path).facts["nonfinite"]
    assert seen["step"] == 7
    assert (
        "the loss is finite, and the gradient of bias is the first that is not" in seen["because"]
    )
