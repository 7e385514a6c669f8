"""The character transformer sees the past only, whatever is switched on."""

import pytest
import torch
from bisector.recipes.charlm import CharTransformer, Forget, PythonDocs, Typos, scores

OPTIONS = ("rotary", "qk_norm", "swiglu", "rms_norm")


@pytest.mark.parametrize("on", [(), *((option,) for option in OPTIONS), OPTIONS])
def test_a_prediction_does_not_depend_on_what_comes_after(on):
    torch.manual_seed(0)
    model = CharTransformer(width=16, heads=2, **dict.fromkeys(on, True)).eval()
    text = torch.randint(50, (2, 32))
    changed = text.clone()
    changed[:, 20:] = 7
    before, after = model(text), model(changed)
    assert torch.allclose(before[:, :20], after[:, :20], atol=1e-5)
    assert not torch.allclose(before[:, 20:], after[:, 20:], atol=1e-5)


def test_targets_are_the_next_characters_and_the_held_out_text_is_apart():
    docs = PythonDocs(length=16, val_windows=10)
    x, y = docs.train[3]
    assert torch.equal(x[1:], y[:-1])
    last_trained = docs.train.pieces[-1].storage_offset() + 17
    assert last_trained <= docs.val.pieces.storage_offset()


@pytest.mark.parametrize("augment", [Typos(0.2), Forget(8)], ids=["typos", "forget"])
def test_what_is_to_be_foretold_stays_as_it_was_written(augment):
    x, y = torch.full((8, 32), 40), torch.full((8, 32), 41)
    seen, target = augment(x, y, torch.Generator().manual_seed(0))
    assert target is y
    assert 0 < int((seen != x).sum()) < x.numel() // 2


def test_scores_are_per_character():
    logits = torch.zeros(2, 5, 3)
    found = scores(logits, torch.zeros(2, 5, dtype=torch.long))
    assert float(found["loss"]) == pytest.approx(1.0986, abs=1e-3)
