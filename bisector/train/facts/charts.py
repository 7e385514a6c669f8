"""Counts to be drawn: classes, values by channel or feature, and activations by depth."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from bisector.train.facts.gallery import Facts, decoder, gallery, names_of, told_by
from bisector.train.facts.samples import Samples, class_numbers, drawn, features, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent, Source
from bisector.train.facts.traced import trace

BINS = 32
FEATURES = 12
"""Features whose values are drawn: those that differ most between the splits."""
CLASSES = 40
"""More classes than this: the largest half of them, and the smallest."""
TOKENS = 24
LAYERS = 60
VALUES = 10_000_000
"""Of larger samples some are drawn: counting so many values takes a second."""
FEW = 500
"""Samples of a split of which the inspection has no others: of `test`."""


def splits_of(scene: Scene) -> dict[str, Samples]:
    """Name to samples; `test` where the source of the data has one."""
    found = {"train": scene.train}
    if scene.shown.val is not None:
        found["val"] = scene.val
    test = next(told_by(scene, "test"), None)
    if test is not None and len(test):
        found["test"] = drawn(Source(test), FEW, time.monotonic() + 5)
    return found


def classes(scene: Scene, facts: Mapping[str, Facts]) -> Facts:
    """How many samples of each class a split has.

    Raises:
        Absent: targets are not class numbers.
    """
    labels = {name: class_numbers(samples.y) for name, samples in splits_of(scene).items()}
    known = {name: y for name, y in labels.items() if y is not None and bool((y >= 0).all())}
    if "train" not in known:
        raise Absent("targets are not one class number each")
    size = 1 + max(int(y.max()) for y in known.values())
    counts = {name: y.bincount(minlength=size) for name, y in known.items()}
    order = counts["train"].argsort(descending=True, stable=True)
    some = torch.cat([order[: CLASSES // 2], order[-CLASSES // 2 :]])
    shown = torch.arange(size) if size <= CLASSES else some
    name = names_of(scene)
    return {
        "total": size,
        "names": [name(int(c)) for c in shown],
        "counts": {split: c[shown].tolist() for split, c in counts.items()},
    }


def values(scene: Scene, facts: Mapping[str, Facts]) -> Facts:
    """Histograms of each channel or feature, as shares of a split; of tokens, the commonest."""
    splits = splits_of(scene)
    if not is_numbers(scene.train.x):
        return tokens({name: samples.x for name, samples in splits.items()}, decoder(scene))
    by_split = {name: features(few(samples.x)) for name, samples in splits.items()}
    width = by_split["train"].shape[1]
    by_split = {name: x for name, x in by_split.items() if x.shape[1] == width}
    drawn_each = [histogram({n: x[:, f] for n, x in by_split.items()}) for f in range(width)]
    order = sorted(range(width), key=lambda f: -drawn_each[f]["distance"])
    shown = sorted(order[:FEATURES])
    name = feature_names(scene, width)
    return {
        "kind": "channel" if scene.train.x.ndim > 2 else "feature",
        "total": width,
        "histograms": [{"name": name(f), **drawn_each[f]} for f in shown],
    }


def few(x: torch.Tensor) -> torch.Tensor:
    """So many of the samples [N, ...], evenly, as hold at most `VALUES` values."""
    return x[:: max(1, -(-x.numel() // VALUES))]


def feature_names(scene: Scene, width: int) -> Callable[[int], str]:
    """From a feature's number to its name: scikit-learn's `feature_names`, where there are any."""
    names = next(told_by(scene, "feature_names"), None)
    if names is not None and len(names) == width:
        return lambda number: str(names[number])
    return str


def histogram(by_split: Mapping[str, torch.Tensor]) -> Facts:
    """Shares of a split's values in equal bins; the outermost also hold what lies beyond."""
    known = {name: x[x.isfinite()].float() for name, x in by_split.items()}
    whole = torch.cat([some(x) for x in known.values()])
    if not len(whole):
        return {"low": 0.0, "high": 0.0, "shares": {}, "distance": 0.0}
    low, high = (whole.quantile(q).item() for q in (0.005, 0.995))
    if high <= low:
        low, high = low - 0.5, low + 0.5
    shares = {
        name: torch.histc(x.clamp(low, high), BINS, low, high) / len(x)
        for name, x in known.items()
        if len(x)
    }
    first = shares.get("train", torch.zeros(BINS))
    return {
        "low": low,
        "high": high,
        "shares": {name: [round(v, 5) for v in s.tolist()] for name, s in shares.items()},
        "distance": max(0.5 * (s - first).abs().sum().item() for s in shares.values()),
    }


def some(x: torch.Tensor) -> torch.Tensor:
    """At most 100,000 of the values, evenly: quantiles of more are refused."""
    return x[:: max(1, len(x) // 100_000)]


def tokens(by_split: Mapping[str, torch.Tensor], decode: Callable[[int], str]) -> Facts:
    """The share of the commonest tokens in each split."""
    size = 1 + max(int(x.max()) for x in by_split.values())
    shares = {n: x.flatten().bincount(minlength=size) / x.numel() for n, x in by_split.items()}
    shown = shares["train"].argsort(descending=True)[:TOKENS]
    return {
        "kind": "token",
        "total": size,
        "tokens": [decode(token) for token in shown.tolist()],
        "shares": {n: [round(v, 5) for v in s[shown].tolist()] for n, s in shares.items()},
    }


@torch.no_grad()
def activations(scene: Scene, facts: Mapping[str, Facts]) -> Facts:
    """Mean, deviation and share of zeros of what each innermost module gives, before training."""
    x, _ = scene.batch()
    model = scene.model(training=True)
    inner = {name: type(m).__name__ for name, m in model.named_modules() if not any(m.children())}
    seen = [(n, out.float()) for n, _, out in trace(model, x) if n in inner and out.numel() > 1]
    kept = seen[:: -(-len(seen) // LAYERS)] if seen else []
    return {
        "total": len(seen),
        "batch": len(x),
        "layers": [
            {
                "name": name or "the model itself",
                "type": inner[name],
                "shape": list(out.shape),
                "mean": out.mean().item(),
                "std": out.std().item(),
                "zeros": (out == 0).float().mean().item(),
            }
            for name, out in kept
        ],
    }


DRAWINGS: Mapping[str, Callable[[Scene, Mapping[str, Facts]], dict[str, Any]]] = {
    "gallery": gallery,
    "classes": classes,
    "values": values,
    "activations": activations,
}
"""Name to what draws it from the scene and the facts that were measured before."""
