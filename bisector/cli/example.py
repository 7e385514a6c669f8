"""A training to replace with your own: `bisect` calls `train` once for each run.

As it stands it learns to tell two clouds of points apart, in a blink and with nothing
to install, so that the search can be tried before anything is filled in.
"""

import math
import random
from typing import Any


def train(cfg: Any, run: Any) -> None:
    """Train once.

    Args:
        cfg: `recipe` of the experiment, with the run's additions switched on: `cfg.lr`.
        run: takes what the run reports. `run.seed` seeds all randomness (`random`, numpy and
            torch are seeded already); `run.device` is where to train; `run.rundir` is a
            folder for files of its own.
    """
    rng, data = random.Random(run.seed), random.Random(0)
    learn, check = points(data, 400), points(data, 1000)
    weights, speed = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    run.facts(planned_steps=cfg.epochs)
    for epoch in range(cfg.epochs):
        rng.shuffle(learn)
        loss = 0.0
        for point, label in learn:
            x = [v + rng.gauss(0, cfg.noise) for v in point]
            value, slope = LOSSES[cfg.loss](dot(weights, x), label)
            loss += value / len(learn)
            speed = [cfg.momentum * s + slope * v for s, v in zip(speed, x, strict=True)]
            decay = 1 - cfg.lr * cfg.weight_decay
            weights = [decay * w - cfg.lr * s for w, s in zip(weights, speed, strict=True)]
        right = sum((dot(weights, x) > 0) == (label > 0) for x, label in check)
        # NaN and infinity may be logged: that a loss is not finite is noticed at once.
        run.log(epoch, train_loss=loss, accuracy=right / len(check))


def points(rng: random.Random, count: int) -> list[tuple[list[float], int]]:
    """Points in the plane, a constant 1 added, half of them labelled -1 and half +1."""
    labels = [1, -1] * (count // 2)
    return [([rng.gauss(2 * y, 1), rng.gauss(y, 1), 1.0], y) for y in labels]


def dot(a: list[float], b: list[float]) -> float:
    """The inner product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def logistic(score: float, label: int) -> tuple[float, float]:
    """The logistic loss, and its slope in the score."""
    margin = max(min(score * label, 500.0), -500.0)
    return math.log1p(math.exp(-margin)), -label / (1 + math.exp(margin))


def squared(score: float, label: int) -> tuple[float, float]:
    """The squared error, and its slope in the score."""
    return (score - label) * (score - label), 2 * (score - label)


LOSSES = {"logistic": logistic, "squared": squared}
