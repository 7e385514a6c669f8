"""Facts about what a simple probe learns in one place and knows in another.

From the training split to validation: do targets mean the same in both? From samples as they are
stored to samples as the network receives them: does augmentation keep the label?
"""

from typing import Any

import numpy as np
import torch

from bisector.train.facts.relation import (
    FEW,
    agreement,
    answers,
    best,
    correlation,
    kappa,
    own,
    probe,
    tables_of,
)
from bisector.train.facts.samples import Samples, class_numbers, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]


def transfer(scene: Scene) -> Facts:
    """A probe trained on the training split: its skill there, held out, and in validation."""
    train, val = scene.train, scene.val
    y, vy = answers(train), answers(val)
    if y is None or vy is None or y.dtype.kind != vy.dtype.kind:
        raise Absent("targets are not one class number, or one number, each")
    if min(len(y), len(vy)) < FEW // 2 or train.x.shape[1:] != val.x.shape[1:]:
        raise Absent(f"fewer than {FEW // 2} samples of a split, or of two shapes")
    tables = tables_of(train, also=val)
    within = own(scene)
    table = tables[within["probe"]]
    model = probe(within["probe"], table, y).fit(table[: len(y)], y)
    guess = model.predict(table[len(y) :])
    across = correlation(guess, vy) if y.dtype.kind == "f" else kappa(guess, vy)
    return {
        "probe": within["probe"],
        "measure": within["measure"],
        **{name: within[name] for name in ("skill", "skill_low", "accuracy")},
        **{f"val_{name}": across[name] for name in ("skill", "skill_high", "accuracy")},
        **apart(y, vy, guess),
    }


def apart(y: Any, vy: Any, guess: Any) -> Facts:
    """The class that the guesses in validation stand for most often, where it is another one."""
    if y.dtype.kind == "f":
        return {}
    classes = int(max(y.max(), vy.max(), guess.max())) + 1
    pairs = np.zeros((classes, classes), int)
    np.add.at(pairs, (guess, vy), 1)
    offset = max(range(classes), key=lambda k: np.trace(np.roll(pairs, -k, axis=1)))
    return {"offset": int(offset), "offset_share": np.trace(np.roll(pairs, -offset, 1)) / len(vy)}


def augmented(scene: Scene) -> Facts:
    """The skill of a probe trained on samples as stored, and of one trained on them augmented."""
    if not is_numbers(scene.train.x):
        raise Absent("inputs are token numbers")
    clean, changed = pairs_of(scene)
    y, cy = answers(changed), answers(clean)
    if y is None or cy is None or y.dtype.kind == "f" or min(len(y), len(cy)) < FEW:
        raise Absent(f"fewer than {FEW} samples with one class number each, before and after")
    before = best(tables_of(clean), cy)
    tables = tables_of(changed)
    after = max(
        (agreement(probe(n, t, y), t, y) for n, t in tables.items()),
        key=lambda f: float(f["skill"]),
    )
    return {
        "by": list(scene.shown.augments) or ["the data set"],
        "probe": before["probe"],
        **{f"clean_{name}": before[name] for name in ("skill", "skill_low", "accuracy")},
        **{name: after[name] for name in ("skill", "skill_high", "accuracy")},
    }


def pairs_of(scene: Scene) -> tuple[Samples, Samples]:
    """Samples without augmentation, and with it.

    Raises:
        Absent: nothing is augmented, or the labels are mixed.
    """
    if scene.shown.augments:
        kept = [
            pair
            for pair in zip(scene.batches, scene.received, strict=True)
            if class_numbers(pair[1][1]) is not None and pair[0][0].shape == pair[1][0].shape
        ]
        if not kept:
            raise Absent("augmentation mixes the labels, or changes the shape")
        before, after = zip(*kept, strict=True)
        return together(before), together(after)
    if not scene.changing(scene.source):
        raise Absent("nothing is augmented")
    return scene.val, scene.train


def together(batches: Any) -> Samples:
    """The samples of some batches."""
    x, y = (torch.cat([batch[part] for batch in batches]) for part in (0, 1))
    return Samples(tuple(range(len(x))), x, y, 0)
