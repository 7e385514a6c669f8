"""Facts about the samples themselves: inputs, numbers, labels, splits."""

from collections import Counter
from typing import Any

import torch
from scipy.stats import norm

from bisector.train.facts.network import has_matrix, trace
from bisector.train.facts.samples import KEPT, Samples, digests, features, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]


def inputs(scene: Scene) -> Facts:
    """Shapes, and the samples that are not finite, blank, or there twice."""
    train, val = scene.train, scene.val
    x = train.x.flatten(1) if train.x.ndim > 1 else train.x.view(-1, 1)
    finite = x.isfinite().all(1)
    blank = (x == x[:, :1]).all(1) if x.shape[1] >= KEPT else torch.zeros(len(x), dtype=torch.bool)
    keys = digests(train.x, train.y)
    copies = Counter(keys)
    repeated = torch.tensor([copies[k] > 1 for k in keys])
    return {
        "samples": len(x),
        "shape": list(train.x.shape[1:]),
        "dtype": str(train.x.dtype),
        "kind": "numbers" if is_numbers(train.x) else "tokens",
        "nonfinite": int((~finite).sum()),
        "nonfinite_samples": train.named(~finite),
        "nonfinite_val": int((~val.x.flatten(1).isfinite().all(1)).sum()) if val.x.ndim > 1 else 0,
        "blank_share": blank.float().mean().item(),
        "blank_samples": train.named(blank),
        "repeated_share": 1 - len(copies) / len(keys),
        "repeated_samples": train.named(repeated),
        "most_copies": max(copies.values()),
    }


def numbers(scene: Scene) -> Facts:
    """Per feature or channel, as the first weights receive it: mean, deviation, extremes."""
    if not is_numbers(scene.train.x):
        raise Absent("inputs are token numbers")
    given = features(torch.cat([x for x, _ in scene.received]))
    constant = given.std(0) == 0
    received = features(entering(scene))
    received = received[received.isfinite().all(1)]
    if len(received) < 2:
        raise Absent("hardly any input is finite")
    return {
        "features": given.shape[1],
        "mean": received.mean(0).tolist(),
        "std": received.std(0).tolist(),
        "constant": constant.nonzero().flatten()[:KEPT].tolist(),
        "constant_share": constant.float().mean().item(),
        **extremes(scene.train),
    }


@torch.no_grad()
def entering(scene: Scene) -> torch.Tensor:
    """What the first layer with weights receives: a model may well standardise by itself.

    Where that cannot be seen, or the layer comes late, it is the model's own input.
    """
    whole = torch.cat([x for x, _ in scene.received])
    model = scene.model(training=True)
    weighty = {n for n, m in model.named_modules() if has_matrix(m)}
    try:
        seen = trace(model, whole.to(scene.device))
    except (Absent, LookupError, RuntimeError, TypeError, ValueError):
        return whole
    first = next((given for name, given, _ in seen if name in weighty), None)
    if first is None or not first.is_floating_point() or len(first) != len(whole):
        return whole
    return first.cpu()


def extremes(train: Samples) -> Facts:
    """The value furthest from its feature's median, in widths between the 10 and 90 % quantiles."""
    each = features(train.x)
    finite = each.isfinite().all(1)
    known = each[finite]
    low, middle, high = (known.quantile(q, dim=0) for q in torch.tensor([0.1, 0.5, 0.9]))
    width = high - low
    away = torch.where(width > 0, (each - middle).abs() / width, torch.zeros(()))
    away[~finite] = 0.0
    worst = away.max(0).values
    feature = int(worst.argmax())
    row = int(away[:, feature].argmax())
    of_sample = len(each) // len(train.x)
    share = (away > 20).any(1).view(len(train.x), of_sample).any(1).float().mean().item()
    return {
        "extreme_widths": worst.max().item(),
        "extreme_feature": feature,
        "extreme_value": each[row, feature].item(),
        "extreme_median": middle[feature].item(),
        "extreme_samples": train.named(
            (away[:, feature].view(len(train.x), of_sample) > 20).any(1)
        ),
        "extreme_share": share,
    }


def labels(scene: Scene) -> Facts:
    """How many samples each class has."""
    train, val = scene.train.labels, scene.val.labels
    if train is None or val is None:
        raise Absent("targets are not one class number each")
    classes = int(max(*train.tolist(), *val.tolist(), 0)) + 1
    return {
        "classes": classes,
        "counts": train.bincount(minlength=classes).tolist(),
        "val_counts": val.bincount(minlength=classes).tolist(),
        "samples": len(train),
    }


def splits(scene: Scene) -> Facts:
    """How the splits differ, and what they share."""
    train, val = scene.train, scene.val
    if not len(val.x):
        raise Absent("the validation split is empty")
    known = set(digests(train.x, train.y))
    keys = digests(val.x, val.y)
    shared = torch.tensor([k in known for k in keys])
    own = Counter(digests(train.x, train.y))
    facts: Facts = {
        "train_shape": list(train.x.shape[1:]),
        "val_shape": list(val.x.shape[1:]),
        "train_dtype": str(train.x.dtype),
        "val_dtype": str(val.x.dtype),
        "shared_share": shared.float().mean().item(),
        "shared_val_samples": val.named(shared),
        "looked_at_share": len(train.x) / train.total,
        "copied_share": sum(n for n in own.values() if n > 1) / len(train.x),
    }
    return facts | (drift(train.x, val.x) if is_numbers(train.x) else usage(train.x, val.x))


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
