"""How probable the runs are under an explanation, whatever the noise.

A family's likelihood is a function of sums over the runs that it calls broken, so it
takes those sums, not families: see `catalogue`. What is summed are whole numbers, which
makes the sums exact and the planner's choice the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from bisector.plan.observations import Run

Floats = NDArray[np.float64]
Sums = NDArray[np.float32]
Ints = NDArray[np.int64]

FLAKY_FAIL, FLAKY_PASS = (3.0, 12.0), (4.0, 8.0)
"""The error rates' Beta priors where training is known to be flaky."""
NOW_AND_THEN = (4.0, 6.0)
"""That of a broken arm's run that passes, where the failure shows on some seeds only."""
AROUND = ((0.4, 0.35), (1.0, 0.4), (2.4, 0.25))
"""A Beta prior in short: multiples of its mean, and their weights."""


class Likelihood(Protocol):
    """What the belief asks of a kind of evidence."""

    @property
    def features(self) -> NDArray[np.float32]:
        """Whole numbers per run, shape (runs, features)."""
        ...

    def log(self, sums: Sums) -> Floats:
        """Log likelihood from `features` summed over the runs called broken, (features, any)."""
        ...

    def rates(self, sums: Sums) -> tuple[Floats, Floats]:
        """Chance that a run fails which is called broken, and one called healthy; each (any,)."""
        ...

    @property
    def grid(self) -> "Grid":
        """The same evidence for explanations that only say how likely each run is to be broken."""
        ...

    def best(self) -> float:
        """The most that `log` can be, for a family that explains every run."""
        ...


@dataclass(frozen=True)
class Grid:
    """Evidence at a few settings of the noise instead of all."""

    ratio: Floats
    """Log likelihood of each run if broken, less that if healthy; shape (runs, settings)."""
    healthy: Floats
    """Log likelihood of all runs if all are healthy, shape (settings,)."""
    log_weight: Floats
    """Log prior of each setting, shape (settings,)."""
    slips: Floats
    """Chance of a false failure and of a false pass at each setting, shape (settings, 2)."""

    def log(self, broken: Floats) -> Floats:
        """Log likelihood by setting if run r is broken with chance broken[:, r].

        From shape (any, runs) to (any, settings).
        """
        lifts = np.log1p(broken[:, :, None] * np.expm1(self.ratio))
        return np.asarray(lifts.sum(axis=1) + self.healthy + self.log_weight, dtype=np.float64)

    def coin(self) -> float:
        """Log likelihood if every run is broken with one unknown chance, whatever its arm."""
        chances = (np.arange(9) + 1) / 10
        # Beta(3, 3): a coin that hardly ever fails is a healthy recipe, not chance.
        weight = (chances * (1 - chances)) ** 2
        runs = np.repeat(chances[:, None], len(self.ratio), axis=1)
        return float(logsumexp(self.log(runs) + np.log(weight / weight.sum())[:, None]))


@dataclass(frozen=True)
class Slip:
    """What is believed of the chances that a run deceives, before any run."""

    false_fail: tuple[float, float] = (2.0, 38.0)
    """Beta prior that a healthy arm's run fails, as (deceives, tells the truth)."""
    false_pass: tuple[float, float] = (2.0, 18.0)
    """The same for a broken arm's run that passes."""
    flaky: float = 0.02
    """Chance that training is flaky, with error rates several times as high."""
    intermittent: float = 0.03
    """Chance that the failure itself shows on some seeds only."""

    @property
    def regimes(self) -> tuple[tuple[float, tuple[float, float], tuple[float, float]], ...]:
        """Weight and both priors of each regime."""
        rare = (
            (self.intermittent, self.false_fail, NOW_AND_THEN),
            (self.flaky, FLAKY_FAIL, FLAKY_PASS),
        )
        calm = (1 - self.flaky - self.intermittent, self.false_fail, self.false_pass)
        return (calm, *(regime for regime in rare if regime[0]))

    @property
    def settings(self) -> Floats:
        """A few (false fail, false pass, weight) that stand for all, shape (settings, 3)."""
        (a1, a0), (b1, b0) = self.false_fail, self.false_pass
        a, b, calm = a1 / (a1 + a0), b1 / (b1 + b0), 1 - self.flaky - self.intermittent
        rows = [(min(0.4, x * a), min(0.4, x * b), calm * w) for x, w in AROUND]
        rows += [(a, 0.4, max(self.intermittent, 1e-9)), (0.2, 1 / 3, max(self.flaky, 1e-9))]
        return np.array(rows)


@dataclass(frozen=True)
class PassFail:
    """Each run failed or passed; both error rates are integrated out (Beta-binomial)."""

    failed: NDArray[np.bool_]
    slip: Slip

    @staticmethod
    def of(runs: Sequence[Run], slip: Slip) -> "PassFail":
        """The likelihood of these runs."""
        return PassFail(np.array([run.failed for run in runs], dtype=np.bool_), slip)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Columns: failed, passed."""
        return np.stack([self.failed, ~self.failed], axis=1).astype(np.float32)

    def log(self, sums: Sums) -> Floats:
        fails, passes = self._total
        key = sums[0].astype(np.int64) * (passes + 1) + sums[1].astype(np.int64)
        used = np.zeros((fails + 1) * (passes + 1), dtype=np.bool_)
        used[key] = True
        at = np.flatnonzero(used)
        table = np.zeros(len(used))
        regimes = self._log_regimes(at // (passes + 1), at % (passes + 1))
        table[at] = np.logaddexp.reduce(regimes, axis=0)
        return np.asarray(table[key], dtype=np.float64)

    def rates(self, sums: Sums) -> tuple[Floats, Floats]:
        (fails, passes), (fail_b, pass_b) = self._total, sums.astype(np.int64)
        logs = self._log_regimes(fail_b, pass_b)
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=0))
        broken, healthy = np.zeros((2, len(fail_b)))
        for share, (_, (a1, a0), (b1, b0)) in zip(shares, self.slip.regimes, strict=True):
            broken += share * (b0 + fail_b) / (b0 + b1 + fail_b + pass_b)
            fail_h, pass_h = fails - fail_b, passes - pass_b
            healthy += share * (a1 + fail_h) / (a0 + a1 + fail_h + pass_h)
        return broken, healthy

    @cached_property
    def grid(self) -> Grid:
        """The same evidence at a few error rates."""
        a, b, weight = self.slip.settings.T
        ratio = np.where(self.failed[:, None], np.log((1 - b) / a), np.log(b / (1 - a)))
        healthy = np.where(self.failed[:, None], np.log(a), np.log(1 - a)).sum(axis=0)
        return Grid(ratio, healthy, np.log(weight), np.stack([a, b], axis=1))

    def best(self) -> float:
        return float(self.log(np.array([[self._total[0]], [0]], dtype=np.float32))[0])

    @cached_property
    def _total(self) -> tuple[int, int]:
        return int(self.failed.sum()), int((~self.failed).sum())

    def _log_regimes(self, fail_b: Ints, pass_b: Ints) -> Floats:
        """Log likelihood with each regime's prior weight, shape (regimes, any)."""
        fails, passes = self._total
        return np.stack(
            [
                np.log(weight)
                + _log_beta(b, pass_b, fail_b)
                + _log_beta(a, fails - fail_b, passes - pass_b)
                for weight, a, b in self.slip.regimes
            ]
        )


def _log_beta(prior: tuple[float, float], wrong: Ints, right: Ints) -> Floats:
    """Log Beta-binomial probability of one order of `wrong` and `right` runs."""
    x, y = prior
    steps = np.arange(int((wrong + right).max(initial=0)) + 1)
    one, two, both = gammaln(x + steps), gammaln(y + steps), gammaln(x + y + steps)
    value = (one - one[0])[wrong] + (two - two[0])[right] - (both - both[0])[wrong + right]
    return np.asarray(value, dtype=np.float64)
