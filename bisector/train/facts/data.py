"""Facts about the samples themselves: inputs, numbers, labels."""

from collections import Counter
from typing import Any

import torch

from bisector.train.facts.network import has_matrix
from bisector.train.facts.samples import KEPT, Samples, digests, features, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent
from bisector.train.facts.traced import trace

Facts = dict[str, Any]
DIFFERENT = 10
"""Different values from which on a feature is taken to be measured, and not a code."""


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
    first = next((name for name, _, _ in seen if name in weighty), None)
    # A cell in a loop is given a part of each sample at a time.
    given = [given for name, given, _ in seen if name == first and given is not None]
    alike = {(part.shape, part.dtype) for part in given}
    if len(alike) != 1 or not given[0].is_floating_point() or len(given[0]) != len(whole):
        return whole
    return torch.cat(given).cpu()


def extremes(train: Samples) -> Facts:
    """The value furthest from its feature's median, in widths between the 10 and 90 % quantiles."""
    each = features(train.x)
    finite = each.isfinite().all(1)
    away, middle = widths_off(each, each[finite])
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
        **standing_apart(each[finite]),
    }


def widths_off(each: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far values [N, F] are from the median [F] of the known ones, which is returned too."""
    low, middle, high = (known.quantile(q, dim=0) for q in torch.tensor([0.1, 0.5, 0.9]))
    width = high - low
    return torch.where(width > 0, (each - middle).abs() / width, torch.zeros(())), middle


def standing_apart(known: torch.Tensor) -> Facts:
    """One value that stands again and again, furthest outside of all others of its feature.

    Its distance to the next is given in ranges of the others; of few different values (codes,
    counts) none is looked at.
    """
    found: Facts = {"apart": 0.0, "apart_feature": 0, "apart_value": 0.0, "apart_share": 0.0}
    for feature, column in enumerate(known.T):
        values, counts = column.unique(return_counts=True)
        if len(values) < DIFFERENT:
            continue
        for at, others in ((0, values[1:]), (-1, values[:-1])):
            gap = (others - values[at]).abs().min() / (others[-1] - others[0])
            if counts[at] > 2 and gap.item() > found["apart"]:
                share = counts[at].item() / len(column)
                found = {"apart": gap.item(), "apart_feature": feature,
                         "apart_value": values[at].item(), "apart_share": share}  # fmt: skip
    return found


def targets(scene: Scene) -> Facts:
    """Targets that are numbers: their size, and the one furthest from the median."""
    y = scene.train.y
    if not y.is_floating_point() or scene.train.labels is not None:
        raise Absent("targets are not numbers")
    each = y.flatten(1) if y.ndim > 1 else y[:, None]
    known = each[each.isfinite().all(1)].float()
    if len(known) < DIFFERENT:
        raise Absent("hardly any target is finite")
    away, middle = widths_off(known, known)
    row, column = divmod(int(away.argmax()), away.shape[1])
    apart = standing_apart(known)
    return {
        **{name: apart[name] for name in ("apart", "apart_value", "apart_share")},
        "size": known.square().mean().sqrt().item(),
        "mean": known.mean().item(),
        "std": known.std().item(),
        "extreme_widths": away.max().item(),
        "extreme_value": known[row, column].item(),
        "extreme_median": middle[column].item(),
        "extreme_samples": scene.train.named(
            (each - middle).abs().amax(1) >= (known[row] - middle).abs().max()
        ),
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
        "total": scene.train.total or len(train),
    }
