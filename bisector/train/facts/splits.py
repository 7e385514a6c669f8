"""Facts about the splits beside each other: shapes, shares, statistics, samples in both."""

from collections import Counter
from typing import Any

import torch
from scipy.stats import chi2_contingency, norm

from bisector.train.facts.samples import KEPT, Samples, digests, features, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
NEAR = 0.05
"""Of the usual distance to the nearest other sample: what is nearer is the same sample, changed."""
EXACT = 1e-4
"""By how much means of 0 and deviations of 1 may be missed in single precision."""
SEVERAL = 4
"""Columns that do not all come so near by luck."""


def splits(scene: Scene) -> Facts:
    """How the splits differ, and what they share."""
    train, val = scene.train, scene.val
    if not len(val.x):
        raise Absent("the validation split is empty")
    facts: Facts = {
        "train_shape": list(train.x.shape[1:]),
        "val_shape": list(val.x.shape[1:]),
        "train_dtype": str(train.x.dtype),
        "val_dtype": str(val.x.dtype),
        "looked_at_share": len(train.x) / (train.total or len(train.x)),
        **shared(train, val),
        **near(train, val),
    }
    return facts | (drift(train.x, val.x) if is_numbers(train.x) else usage(train.x, val.x))


def shared(train: Samples, val: Samples) -> Facts:
    """Validation samples that are in the training split as well."""
    own = Counter(digests(train.x, train.y))
    mask = torch.tensor([k in own for k in digests(val.x, val.y)])
    return {
        "shared_share": mask.float().mean().item(),
        "shared_val_samples": val.named(mask),
        "copied_share": sum(n for n in own.values() if n > 1) / len(train.x),
    }


def near(train: Samples, val: Samples) -> Facts:
    """Validation samples with one in the training split that is nearer than any sample should be."""
    if not is_numbers(train.x) or train.x.shape[1:] != val.x.shape[1:] or len(train.x) < KEPT:
        return {"near_share": 0.0, "near_own": 0.0, "near_val_samples": []}
    one, two = (part.x.flatten(1).float().nan_to_num(0, 0, 0) for part in (train, val))
    # What hardly varies beside the others, as an image's corners, has no say.
    spread = one.std(0)
    scale = spread.clamp_min(max(0.1 * spread.median().item(), 1e-6))
    one, two = one / scale, two / scale
    own = torch.cdist(one, one).fill_diagonal_(torch.inf).min(1).values
    limit = NEAR * own.median()
    mask = torch.cdist(two, one).min(1).values < limit
    return {
        "near_share": mask.float().mean().item(),
        "near_own": (own < limit).float().mean().item(),
        "near_val_samples": val.named(mask),
    }


def shares(scene: Scene) -> Facts:
    """How the splits' classes are distributed; the p-value is that of the chi-squared test."""
    one, two = scene.train.labels, scene.val.labels
    if one is None or two is None:
        raise Absent("targets are not one class number each")
    size = int(max(one.max(), two.max())) + 1
    counts = torch.stack([labels.bincount(minlength=size) for labels in (one, two)]).double()
    there = counts[:, counts.sum(0) > 0]
    part = counts / counts.sum(1, keepdim=True)
    return {
        "distance": 0.5 * (part[0] - part[1]).abs().sum().item(),
        "p": float(chi2_contingency(there.numpy()).pvalue) if there.shape[1] > 1 else 1.0,
        "train": part[0].tolist(),
        "val": part[1].tolist(),
        "val_samples": len(two),
    }


def standards(scene: Scene) -> Facts:
    """By whose mean and deviation inputs were standardised: the one for which they are 0 and 1.

    By column of a table, by channel of images and series.

    Raises:
        Absent: inputs are tokens, each is standardised by itself, or not all were read.
    """
    train, val = scene.train, scene.val
    if not is_numbers(train.x) or train.x.shape[1:] != val.x.shape[1:]:
        raise Absent("inputs are token numbers, or of two shapes")
    if len(train.x) < (train.total or len(train.x) + 1) or len(val.x) < (
        val.total or len(val.x) + 1
    ):
        raise Absent("the splits were not read as a whole")
    if val.x.ndim > 2 and (by_sample(val.x).abs() < EXACT).all():
        raise Absent("each sample is standardised by itself")
    both = torch.cat([train.x, val.x])
    return {
        "train": standard_share(features(train.x)),
        "val": standard_share(features(val.x)),
        "both": standard_share(features(both)),
        "features": features(val.x[:1]).shape[1],
    }


def standard_share(x: torch.Tensor) -> float:
    """The share of columns that vary whose mean is 0 and whose deviation is 1, in either spelling.

    A few columns come near by luck; so the fewer there are, the nearer they must come.
    """
    x = x.double()
    limit = EXACT if x.shape[1] >= SEVERAL else EXACT / 5
    varies = x.std(0) > 0
    deviation = torch.stack([x.std(0, correction=c) for c in (0, 1)])
    fits = (x.mean(0).abs() < limit) & ((deviation - 1).abs() < limit).any(0)
    return fits[varies].double().mean().item() if varies.any() else 0.0


def drift(train: torch.Tensor, val: torch.Tensor) -> Facts:
    """The feature whose mean or scale differs most between the splits.

    The unit is the sample: the mean over its pixels, else neighbouring pixels would pass for
    independent measurements.
    """
    if train.shape[1:] != val.shape[1:]:
        return {"kind": "shape"}
    one, two = by_sample(train), by_sample(val)
    first, second = features(train), features(val)
    pooled = first.std(0).clamp_min(1e-12)
    error = (one.var(0) / len(one) + two.var(0) / len(two)).sqrt().clamp_min(1e-12)
    moved = (one.mean(0) - two.mean(0)).abs()
    p = torch.tensor(2 * norm.sf((moved / error).numpy())) * moved.numel()
    # What hardly varies beside the other features, as an image's corners, has no say.
    floor = max(0.1 * first.std(0).median().item(), 1e-12)
    scale = second.std(0).clamp_min(floor) / first.std(0).clamp_min(floor)
    scale = scale.log().abs().exp()
    luck = torch.hypot(error_of_std(one), error_of_std(two))
    scale_p = torch.tensor(2 * norm.sf((scale.log() / luck).numpy())) * moved.numel()
    scale[scale_p > 1e-4] = 1.0
    shift = moved / pooled
    shift[first.std(0) == 0] = 0.0
    far, wide = int(shift.argmax()), int(scale.argmax())
    return {
        "kind": "numbers",
        "shift": shift[far].item(),
        "shift_p": min(1.0, p[far].item()),
        "shift_feature": far,
        "shift_means": [first.mean(0)[far].item(), second.mean(0)[far].item()],
        "scale": scale[wide].item(),
        "scale_feature": wide,
        "scale_stds": [first.std(0)[wide].item(), second.std(0)[wide].item()],
        "smaller": min(len(one), len(two)),
    }


def error_of_std(each: torch.Tensor) -> torch.Tensor:
    """The relative standard error of a deviation, sqrt((kurtosis - 1) / 4n), for each column."""
    centred = each - each.mean(0)
    square = centred.square().mean(0).clamp_min(1e-24)
    kurtosis = (centred**4).mean(0) / square.square()
    # What hardly ever varies has a kurtosis that is itself unknown.
    kurtosis[square <= 1e-12] = len(each)
    return ((kurtosis - 1).clamp_min(0.1) / (4 * len(each))).sqrt()


def by_sample(x: torch.Tensor) -> torch.Tensor:
    """The mean of each feature over each sample's positions [N, F]."""
    each = features(x)
    return each.view(len(x), -1, each.shape[1]).mean(1)


def usage(train: torch.Tensor, val: torch.Tensor) -> Facts:
    """How differently the splits use the tokens: total variation distance of their shares."""
    size = int(max(train.max(), val.max()).item()) + 1
    one, two = (torch.bincount(x.flatten(), minlength=size).float() for x in (train, val))
    unseen = (two[one == 0].sum() / two.sum()).item()
    distance = 0.5 * (one / one.sum() - two / two.sum()).abs().sum().item()
    worst = int((one / one.sum() - two / two.sum()).abs().argmax())
    return {
        "kind": "tokens",
        "distance": distance,
        "worst_token": worst,
        "worst_shares": [(c[worst] / c.sum()).item() for c in (one, two)],
        "unseen_share": unseen,
    }
