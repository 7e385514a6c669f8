"""Facts about what inputs say of targets: simple probes, trained and tested on held-out folds.

Agreement beyond luck is Cohen's kappa (1960): 0 at chance, 1 when all is right; unlike accuracy
it is not raised by a majority class. Of targets that are numbers it is the correlation.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, issparse
from scipy.stats import norm
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.naive_bayes import CategoricalNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bisector.train.facts.samples import Samples, is_numbers
from bisector.train.facts.scene import Scene
from bisector.train.facts.shown import Absent

Facts = dict[str, Any]
OFFSETS = (1, -1, 2, -2, 3, -3)
"""By how many samples, or positions, targets are shifted in search of the right place."""
LATER = (1, 2, 3)
HALF = 0.5
"""Skill in place below which it is worth while to look in other places."""
FEW = 100
"""With fewer samples a probe proves nothing."""
WIDEST = 1024
"""Wider inputs are averaged down to so many columns."""


def relation(scene: Scene) -> Facts:
    """The best probe's agreement beyond luck, in place and with targets shifted."""
    y = answers(scene.train)
    if y is None:
        return of_tokens(scene.train)
    if len(y) < FEW:
        raise Absent(f"fewer than {FEW} samples")
    tables, facts = tables_of(scene.train), dict(own(scene))
    if facts["p"] > 1e-3:
        facts |= shifted(tables, y, np.array(scene.train.numbers), OFFSETS)
    elif facts["skill_high"] < HALF:
        facts |= shifted(tables, y, np.array(scene.train.numbers), LATER)
    return facts


@lru_cache(maxsize=1)
def own(scene: Scene) -> Facts:
    """The skill of the best probe, held out within the training split."""
    return best(tables_of(scene.train), answers(scene.train))


def answers(train: Samples) -> Any:
    """One class number, or one number, per sample [N]; None: the targets are something else."""
    if train.labels is not None:
        return train.labels.numpy()
    y = train.y
    return y.flatten().double().numpy() if y.is_floating_point() and y.numel() == len(y) else None


def tables_of(train: Samples, also: Samples | None = None) -> dict[str, Any]:
    """Probe to the table it reads: the samples' rows, and below them those of `also`."""
    given = torch.cat([train.x, also.x.to(train.x.dtype)]) if also else train.x
    if is_numbers(given):
        x = given.flatten(1).float() if given.ndim > 1 else given.view(-1, 1).float()
        x = x.nan_to_num(0.0, 0.0, 0.0)
        if x.shape[1] > WIDEST:
            x = torch.nn.functional.adaptive_avg_pool1d(x[:, None], WIDEST)[:, 0]
        return {"nearest neighbours": x.numpy(), "linear": x.numpy()}
    x = given.view(len(given), -1)
    size = int(x.max()) + 1
    bags = np.stack([np.bincount(row, minlength=size) for row in x.numpy()])
    return {"bag of tokens": csr_matrix(bags), "last tokens": x[:, -2:].numpy()}


def probe(name: str, table: Any, y: Any) -> Any:
    """An untrained model for a table: a classifier, or a regressor where targets are numbers."""
    if y.dtype.kind == "f":
        near = name == "nearest neighbours"
        return make_pipeline(
            StandardScaler(with_mean=not issparse(table)),
            KNeighborsRegressor(5) if near else Ridge(1.0),
        )
    match name:
        case "nearest neighbours":
            return make_pipeline(StandardScaler(), KNeighborsClassifier(5))
        case "linear":
            return make_pipeline(StandardScaler(), RidgeClassifier(1.0))
        case "bag of tokens":
            return MultinomialNB()
        case _:
            return CategoricalNB(min_categories=int(table.max()) + 1)


def best(tables: dict[str, Any], y: Any) -> Facts:
    """The better of the probes; its p-value is corrected for having had the choice."""
    tried = {name: agreement(probe(name, t, y), t, y) for name, t in tables.items()}
    name = min(tried, key=lambda n: (tried[n]["p"], -tried[n]["skill"]))
    return {"probe": name, **tried[name], "p": min(1.0, tried[name]["p"] * len(tried))}


def agreement(model: Any, table: Any, y: Any) -> Facts:
    """Held-out accuracy, what luck would give, kappa with its interval, and the p-value.

    Under no relation the held-out predictions are as good as any reordering of them, whose
    accuracy is near normal with the mean and variance used here.
    """
    guess = cross_val_predict(model, table, y, cv=KFold(5, shuffle=True, random_state=0))
    return correlation(guess, y) if y.dtype.kind == "f" else kappa(guess, y)


def kappa(guess: Any, y: Any) -> Facts:
    """How far guesses of class numbers agree with them."""
    n, classes = len(y), int(max(y.max(), guess.max())) + 1
    right = float((guess == y).mean())
    mine, theirs = (np.bincount(v, minlength=classes) / n for v in (guess, y))
    luck = float((mine * theirs).sum())
    error = max(np.sqrt(luck * (1 - luck) / n), 1e-9)
    margin = 2.6 * float(max(right * (1 - right), 1 / n) / n) ** 0.5 / max(1 - luck, 1e-9)
    skill = (right - luck) / max(1 - luck, 1e-9)
    return {
        "samples": n,
        "measure": "accuracy",
        "accuracy": right,
        "by_luck": luck,
        "skill": skill,
        "skill_low": skill - margin,
        "skill_high": skill + margin,
        "p": float(norm.sf((right - luck) / error)),
    }


def correlation(guess: Any, y: Any) -> Facts:
    """How far guesses of numbers go with them; the interval is Fisher's."""
    n, r = len(y), 0.0
    if guess.std() > 0 and y.std() > 0:
        r = float(np.clip(np.corrcoef(guess, y)[0, 1], -0.999999, 0.999999))
    low, high = np.tanh(np.arctanh(r) + np.array([-2.6, 2.6]) / np.sqrt(n - 3))
    return {
        "samples": n,
        "measure": "correlation",
        "accuracy": r,
        "by_luck": 0.0,
        "skill": r,
        "skill_low": float(low),
        "skill_high": float(high),
        "p": float(norm.sf(np.arctanh(r) * np.sqrt(n - 3))),
    }


def shifted(tables: dict[str, Any], y: Any, numbers: Any, offsets: tuple[int, ...]) -> Facts:
    """The offset of the targets at which the first probe sees most."""
    name, table = next(iter(tables.items()))
    position = {int(n): i for i, n in enumerate(numbers)}
    seen: dict[int, Facts] = {}
    for offset in offsets:
        pairs = [(i, position[n + offset]) for n, i in position.items() if n + offset in position]
        if len(pairs) >= FEW:
            rows, targets = (np.array(p) for p in zip(*pairs, strict=True))
            seen[offset] = agreement(probe(name, table, y), table[rows], y[targets])
    if not seen:
        return {}
    offset = max(seen, key=lambda o: float(seen[o]["skill"]))
    found = seen[offset]
    return {
        "offset": offset,
        "offset_skill": found["skill"],
        "offset_skill_low": found["skill_low"],
    }


def of_tokens(train: Samples) -> Facts:
    """The same for a target at every position: does it follow from the last two tokens?"""
    x, y = train.x, train.y
    if y.is_floating_point() or y.ndim != 2:
        raise Absent("targets are not class numbers")
    if is_numbers(x) or x.shape != y.shape or x.shape[1] < 4:
        raise Absent("targets do not stand beside the inputs, position by position")
    rng = torch.Generator().manual_seed(0)
    rows = torch.randint(len(x), (3000,), generator=rng)
    places = torch.randint(1, x.shape[1], (3000,), generator=rng)
    table = torch.stack([x[rows, places - 1], x[rows, places]], 1).numpy()
    facts = best({"last tokens": table}, y[rows, places].numpy())
    return facts | {
        "copied": (x == y).float().mean().item(),
        "next": followed(x, y, 1),
        "following": {str(k): followed(x, y, k) for k in (-3, -2, -1, 1, 2, 3)},
    }


def followed(x: torch.Tensor, y: torch.Tensor, places: int) -> float:
    """The share of targets that are the token so many places on in the input."""
    ahead, behind = max(places, 0), max(-places, 0)
    width = x.shape[1] - ahead - behind
    target = y[:, behind : behind + width]
    return (x[:, ahead : ahead + width] == target).float().mean().item()
