"""Facts about inputs that give their target away: the target itself, or a blurred copy of it."""

from typing import Any

import numpy as np
import torch
from sklearn.feature_selection import f_classif, f_regression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from bisector.train.facts.relation import FEW, agreement, answers, best, tables_of
from bisector.train.facts.samples import is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
TOGETHER = 4096
"""Columns that are looked at in one go."""
NEIGHBOURS = 15
WIDEST = 512
"""With more features, the others are too many for a simple probe to speak for them."""


def leaks(scene: Scene) -> Facts:
    """Features that are the target itself: each of their values stands beside one class only.

    A feature that counts more values than there are classes is none of these, however well it
    tells them apart; where targets are numbers, it is one that goes with them in all digits. Of
    series nothing is said: to recall one of their values may well be what is asked for.
    """
    x, y = scene.train.x, scene.train.y
    if x.ndim not in (2, 4) or not is_numbers(x):
        raise Absent("inputs are neither tables nor images")
    labels = scene.train.labels
    if labels is None and (not y.is_floating_point() or y.numel() != len(y)):
        raise Absent("targets are not one class number, or one number, each")
    parts = torch.split(x.flatten(1), TOGETHER, dim=1)
    found = torch.cat(
        [alike(p, y.flatten()) if labels is None else names_class(p, labels) for p in parts]
    )
    shape = tuple(x.shape[1:])
    places = [np.unravel_index(f, shape) for f in found.nonzero().flatten().tolist()]
    return {
        "features": [int(p[0]) if len(p) == 1 else [int(i) for i in p] for p in places],
        "of": found.numel(),
    }


def alike(columns: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Which columns [N, F] are the target [N] in another unit, as a mask [F]."""
    one, other = columns.double(), y.double()
    one, other = one - one.mean(0), other - other.mean()
    size = one.norm(dim=0) * other.norm()
    near: torch.Tensor = (other @ one).abs() > 0.9999 * size.clamp_min(1e-12)
    return near


def names_class(columns: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Which columns [N, F] have one value for each class, as a mask [F]."""
    groups = [columns[labels == c] for c in set(labels.tolist())]
    # Of one class any constant would be the name.
    if len(groups) < 2:
        return torch.zeros(columns.shape[1], dtype=torch.bool)
    lows, highs = (torch.stack([f(g, dim=0) for g in groups]) for f in (torch.amin, torch.amax))
    apart = lows.sort(0).values.diff(dim=0) > 0
    return (lows == highs).all(0) & apart.all(0)


def alone(scene: Scene) -> Facts:
    """What the strongest feature of a table says of the target, and what all others say together.

    The strongest is that of the largest F statistic; both skills are held out.
    """
    x, y = scene.train.x, answers(scene.train)
    if x.ndim != 2 or not is_numbers(x) or not 3 <= x.shape[1] <= WIDEST:
        raise Absent(f"inputs are no tables of 3 to {WIDEST} features")
    if y is None or len(y) < FEW or len(np.unique(y)) < 2:
        raise Absent(f"targets are not one class number, or one number, each, of {FEW} samples")
    numbers = y.dtype.kind == "f"
    table = x.float().nan_to_num(0.0, 0.0, 0.0).numpy()
    strength = (f_regression if numbers else f_classif)(table, y)[0]
    feature = int(np.nan_to_num(strength, nan=0.0).argmax())
    near = (KNeighborsRegressor if numbers else KNeighborsClassifier)(NEIGHBOURS)
    one = agreement(near, table[:, [feature]], y)
    rest = best({n: np.delete(t, feature, 1) for n, t in tables_of(scene.train).items()}, y)
    return {
        "feature": feature,
        "measure": one["measure"],
        **{name: one[name] for name in ("skill", "skill_low")},
        **{f"rest_{name}": rest[name] for name in ("skill", "skill_high")},
    }
