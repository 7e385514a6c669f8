"""What one answer to all samples would score."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.train.constant import constant_answer, constant_scores


def scores(logits, y):
    right = (logits.argmax(1) == y).float().mean()
    return {"loss": F.cross_entropy(logits, y), "acc": right}


def test_of_classes_it_is_how_often_each_occurs():
    batches = [torch.tensor([0, 0, 0, 1]), torch.tensor([0, 2])]
    found = constant_scores(scores, batches, torch.zeros(2, 4))
    assert found["constant_answer.val_acc"] == pytest.approx(4 / 6)
    entropy = -(4 / 6 * math.log(4 / 6) + 2 / 6 * math.log(1 / 6))
    assert found["constant_answer.val_loss"] == pytest.approx(entropy, rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 3, 5)])
def test_of_a_sequence_too_wherever_its_classes_are(shape):
    targets = torch.tensor([[0, 0, 1, 2, 0], [0, 1, 0, 0, 0]])
    answer = constant_answer(targets, torch.zeros(shape))
    assert answer.shape == (1, *shape[1:])
    assert (answer.argmax(shape.index(3)) == 0).all()


def test_of_real_targets_it_is_their_mean_and_of_switches_its_logit():
    real = torch.tensor([[1.0, 5.0], [3.0, 6.0]])
    assert constant_answer(real, real).tolist() == [[2.0, 5.5]]
    switches = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    assert constant_answer(switches, switches).sigmoid().item() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("targets", "output"),
    [
        (torch.tensor([0, -100]), torch.zeros(2, 3)),
        (torch.tensor([0, 7]), torch.zeros(2, 3)),
        (torch.zeros(2, 4), torch.zeros(2, 3)),
        (torch.tensor([0, 1]), torch.zeros(2)),
    ],
)
def test_where_targets_and_outputs_do_not_fit_nothing_is_said(targets, output):
    assert constant_answer(targets, output) is None
