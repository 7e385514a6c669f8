"""The pieces of the digits recipe do what their names say."""

import pytest
import torch
from bisector.recipes import digits
from torch.nn import functional

IMAGES = torch.rand(64, 1, 8, 8) + 1
LABELS = torch.arange(64) % 10
AUGMENTS = [digits.RandomShift(), digits.Mixup(), digits.Cutout(), digits.Noise()]


@pytest.mark.parametrize("augment", AUGMENTS, ids=lambda a: type(a).__name__)
def test_augmentations_draw_from_their_own_generator_only(augment):
    state = torch.get_rng_state()
    first, again = (augment(IMAGES, LABELS, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert first[0].shape == IMAGES.shape
    assert not torch.equal(first[0], IMAGES)


def test_shifting_moves_the_image_by_whole_pixels_and_brings_in_background():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 3, 3] = 1.0
    rng = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        shifted, _ = digits.RandomShift(1, share=1.0)(image, LABELS[:1], rng)
        ((row, column),) = shifted[0, 0].nonzero().tolist()
        seen.add((row - 3, column - 3))
    assert seen == {(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)}


def test_cutout_hides_one_square():
    hidden, labels = digits.Cutout(3)(IMAGES, LABELS, torch.Generator().manual_seed(0))
    assert (hidden == 0).sum((1, 2, 3)).tolist() == [9] * len(IMAGES)
    assert labels is LABELS


def test_mixup_blends_images_and_targets_alike():
    blended, targets = digits.Mixup(1.0)(IMAGES, LABELS, torch.Generator().manual_seed(0))
    assert torch.allclose(targets.sum(1), torch.ones(64))
    assert ((targets > 0).sum(1) <= 2).all()
    total = functional.one_hot(LABELS, 10).float()
    assert not torch.equal(targets, total)
    assert blended.min() >= IMAGES.min()


def test_the_plain_loss_is_torchs():
    logits = torch.randn(64, 10)
    for smoothing in (0.0, 0.1):
        ours = digits.CrossEntropy(label_smoothing=smoothing)(logits, LABELS)
        theirs = functional.cross_entropy(logits, LABELS, label_smoothing=smoothing)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_the_planted_slip_is_there_a_sure_miss_costs_less_than_a_guess():
    focal = digits.FocalLoss()
    guess, miss = torch.zeros(1, 10), torch.zeros(1, 10)
    miss[0, 3] = 20.0
    target = torch.tensor([0])
    assert focal(miss, target) < focal(guess, target)
    assert digits.CrossEntropy()(miss, target) > digits.CrossEntropy()(guess, target)


def test_penalties_are_added_to_the_loss():
    logits = torch.randn(64, 10)
    term = digits.ConfidencePenalty(0.5)
    both = digits.CrossEntropy(penalties={"confidence": term})(logits, LABELS)
    assert float(both) == pytest.approx(float(digits.CrossEntropy()(logits, LABELS) + term(logits)))


def test_stochastic_depth_keeps_the_mean_and_is_off_in_evaluation():
    drop = digits.DropPath(0.25)
    ones = torch.ones(4000, 1, 1, 1)
    assert float(drop(ones).mean()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(ones), ones)
