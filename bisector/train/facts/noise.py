"""Facts about wrong labels: confident learning (Northcutt et al. 2021, arXiv:1911.00068), by cleanlab.

A hard problem looks much like a noisy one: there too, many labels are not what a probe predicts.
What a hard problem lacks is samples whose neighbours all agree on another label.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bisector.train.facts.relation import FEW, kappa, tables_of
from bisector.train.facts.samples import KEPT, Samples, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
NEIGHBOURS = 10
GAP = 0.3
"""By how much less than the others a class must be known again, to be looked at by itself."""
SHOWN = 50
AGREED = 0.8
"""The share of a sample's neighbours that must have one other label to contradict its own."""


def neighbours(train: Samples) -> tuple[Any, Any]:
    """A table of the samples, and what finds the nearest in it.

    Of tokens it is how often each of them, and each pair that follow each other, is there; common
    ones count less (tf-idf), and nearness is that of directions.
    """
    if is_numbers(train.x):
        probe = make_pipeline(StandardScaler(), KNeighborsClassifier(NEIGHBOURS))
        return tables_of(train)["nearest neighbours"], probe
    tokens = train.x.flatten(1)
    texts = [[*map(str, row), *map(str, itertools.pairwise(row))] for row in tokens.tolist()]
    table = TfidfVectorizer(analyzer=list, sublinear_tf=True).fit_transform(texts)
    return table, KNeighborsClassifier(NEIGHBOURS, metric="cosine")


def noise(scene: Scene) -> Facts:
    """The share of labels that are probably wrong, and the most suspicious samples."""
    labels = scene.train.labels
    if labels is None:
        raise Absent("targets are not one class number each")
    y = labels.numpy()
    if len(y) < FEW or labels.bincount().min() < NEIGHBOURS:
        raise Absent(f"fewer than {FEW} samples, or than {NEIGHBOURS} in a class")
    table, probe = neighbours(scene.train)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    p = cross_val_predict(probe, table, y, cv=folds, method="predict_proba")
    suspects = find_label_issues(
        y, p, return_indices_ranked_by="self_confidence", n_jobs=1, verbose=False
    )
    contradicted = [i for i in suspects if p[i].max() >= AGREED and p[i].argmax() != y[i]]
    shown = [int(i) for i in [*contradicted, *suspects][:KEPT]]
    return {
        "skill": kappa(p.argmax(1), y)["skill"],
        "share": len(suspects) / len(y),
        "contradicted": len(contradicted) / len(y),
        "samples": [scene.train.numbers[i] for i in shown],
        "given": [int(y[i]) for i in shown],
        "likelier": [int(p[i].argmax()) for i in shown],
        **one_way(y[suspects], p[suspects].argmax(1), labels.bincount()),
        **scattered(y, p, suspects, scene.train.numbers),
    }


def scattered(y: Any, p: Any, suspects: Any, numbers: Sequence[int]) -> Facts:
    """The class of which most seems to stand under other labels.

    More of the suspects are like it than of those that bear its name can be known again, and that
    of a class that is known worse than others: what is hard is hard for its neighbours as well.

    Args:
        y: labels [N].
        p: probabilities of each class, held out, [N, C].
        suspects: rows of those that are probably wrong, the likeliest first.
        numbers: what the rows are called.
    """
    classes = p.shape[1]
    sizes = np.bincount(y, minlength=classes)
    likelier = p[suspects].argmax(1)
    like = np.bincount(likelier, minlength=classes) / sizes
    known = np.array([p[y == c, c].mean() for c in range(classes)])
    gap = np.array([np.median(np.delete(known, c)) - known[c] for c in range(classes)])
    worst = int(np.where(gap > GAP, like, 0.0).argmax())
    return {
        "scattered": float(like[worst]) if gap[worst] > GAP else 0.0,
        "scattered_class": worst,
        "scattered_samples": [numbers[i] for i in suspects[likelier == worst][:SHOWN]],
    }


def one_way(given: Any, likelier: Any, sizes: torch.Tensor) -> Facts:
    """The class that most often stands in another's place: in a class no smaller than its own.

    Of two classes that are hard to tell apart, as many are taken for the one as for the other; and
    a rare class is taken for a common one.

    Args:
        given: labels of the suspects, [S].
        likelier: the class that each of them probably is, [S].
        sizes: samples of each class, [C].
    """
    counts = torch.zeros(len(sizes), len(sizes), dtype=torch.long)
    for one, other in zip(given, likelier, strict=True):
        counts[one, other] += 1
    allowed = (sizes[:, None] >= sizes[None, :]) & (counts > 2 * counts.T)
    best = int((counts * allowed).argmax())
    one, other = divmod(best, len(sizes))
    most = int((counts * allowed)[one, other])
    return {
        "one_way": most,
        "one_way_given": one,
        "one_way_likelier": other,
        "one_way_share": most / max(1, int(sizes[one])),
        "one_way_of_suspects": most / max(1, len(given)),
        "classes": len(sizes),
    }
