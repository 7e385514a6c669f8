"""The moving average of the weights."""

import pytest
import torch
from torch import nn

from bisector.train.ema import Ema


def model(value):
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.constant_(network[0].weight, value)
    network[1].running_mean.fill_(value)
    return network


def test_the_shadow_follows_by_the_warmed_up_decay():
    ema = Ema(model(0.0), decay=0.25)
    expected = 0.0
    for update in range(1, 6):
        ema.update(model(1.0))
        decay = min(0.25, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay)
        assert float(ema.model[0].weight.detach()) == pytest.approx(expected)


@pytest.mark.parametrize(("buffers", "mean"), [(True, 1.0), (False, 0.0)])
def test_running_statistics_are_taken_over_unless_told_otherwise(buffers, mean):
    ema = Ema(model(0.0), decay=0.9, buffers=buffers)
    ema.update(model(1.0))
    assert float(ema.model[1].running_mean) == mean


def test_the_shadow_is_not_trained():
    ema = Ema(model(0.0), decay=0.9)
    assert not any(p.requires_grad for p in ema.model.parameters())
    assert not torch.is_inference(ema.model[0].weight)
