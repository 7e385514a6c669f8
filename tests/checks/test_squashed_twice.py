"""Scores that are squashed twice are seen in the graph of the loss, wherever the program does so."""

import pytest
import torch
from run_gallery import diagnosed, warned
from torch import nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.collect.observations import observed
from bisector.train.onlooker.onlooker import observe
from bisector.train.probes.heads import squashed

Y = torch.arange(12) % 3


def scores():
    return torch.randn(12, 4) @ torch.randn(4, 3, requires_grad=True)


def cross_entropy(change):
    return lambda out: F.cross_entropy(change(out), Y)


SQUASHED = {
    "softmax, cross-entropy": (cross_entropy(lambda o: o.softmax(1)), ["Softmax", "LogSoftmax"]),
    "with smoothed labels": (
        lambda out: F.cross_entropy(out.relu(), Y, label_smoothing=0.1),
        ["Relu", "LogSoftmax"],
    ),
    "a view between": (
        lambda out: F.cross_entropy(out.softmax(1).view(4, 3, 3).permute(0, 2, 1), Y.view(4, 3)),
        ["Softmax", "LogSoftmax"],
    ),
    "sigmoid, then with logits": (
        lambda out: F.binary_cross_entropy_with_logits(out.sigmoid(), out.detach().sigmoid()),
        ["Sigmoid", "BinaryCrossEntropyWithLogits"],
    ),
    "softmax of softmax": (
        lambda out: F.nll_loss(out.softmax(1).softmax(1).log(), Y),
        ["Softmax", "Softmax"],
    ),
    "by hand": (
        lambda out: (out.softmax(1).logsumexp(1) - out.softmax(1)[:, 0]).mean(),
        ["Softmax", "Logsumexp"],
    ),
}
SOUND = {
    "cross-entropy": cross_entropy(lambda o: o),
    "logarithms of a softmax": lambda out: F.nll_loss(out.softmax(1).log(), Y),
    "log_softmax once more changes nothing": cross_entropy(lambda o: o.log_softmax(1)),
    "a tanh with a scale": cross_entropy(lambda o: 10 * o.tanh()),
    "a softmax further in": cross_entropy(lambda o: o.softmax(1) @ torch.randn(3, 3)),
    "the largest of what a ReLU gives": lambda out: out.relu().logsumexp(1).mean(),
}


@pytest.mark.parametrize("name", SQUASHED)
def test_what_squashes_scores_before_the_loss_does_is_named(name):
    loss, expected = SQUASHED[name]
    assert squashed(loss(scores())) == expected


@pytest.mark.parametrize("name", SOUND)
def test_a_loss_that_squashes_once_is_let_be(name):
    assert squashed(SOUND[name](scores())) == []


@pytest.mark.parametrize("twice", [True, False])
def test_of_a_program_that_nobody_edited_a_softmax_too_many_is_the_first_finding(tmp_path, twice):
    onlooker = observe(str(tmp_path))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    x = torch.randn(12, 4)
    for _ in range(40):
        optimizer.zero_grad()
        out = net(x)
        F.cross_entropy(out.softmax(1) if twice else out, Y).backward()
        optimizer.step()
    onlooker.close()
    assert warned(diagnosed(observed(tmp_path))) == (["R19i"] if twice else [])
