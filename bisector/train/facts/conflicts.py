"""Facts about samples that are alike and labelled differently."""

from collections import defaultdict
from typing import Any

import torch

from bisector.train.facts.samples import KEPT, digests
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]


def conflicts(scene: Scene) -> Facts:
    """The share of samples whose very input stands elsewhere with another label."""
    labels = scene.train.labels
    if labels is None:
        raise Absent("targets are not one class number each")
    groups: dict[bytes, list[int]] = defaultdict(list)
    for place, key in enumerate(digests(scene.train.x)):
        groups[key].append(place)
    torn = [g for g in groups.values() if len(set(labels[g].tolist())) > 1]
    mask = torch.zeros(len(labels), dtype=torch.bool)
    mask[[place for group in torn for place in group]] = True
    shown = torn[: KEPT // 2]
    return {
        "share": mask.float().mean().item(),
        "inputs": len(torn),
        "samples": [[scene.train.numbers[place] for place in group[:KEPT]] for group in shown],
        "labels": [labels[group[:KEPT]].tolist() for group in shown],
    }
