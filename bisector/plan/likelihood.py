"""How probable the runs are under a family, whatever the noise.

Every likelihood here is a function of sums over the runs that a family calls broken,
so it takes those sums, not families: see `catalogue`. Features are whole numbers,
which makes the sums exact and the planner's choice the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

from bisector.plan.observations import Run

Floats = NDArray[np.float64]
Sums = NDArray[np.float32]


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

    def chance(self) -> float:
        """Log likelihood if every run were a coin of unknown bias, whatever its arm."""
        ...


@dataclass(frozen=True)
class Slip:
    """Beta priors of the chances that a run deceives, as (deceives, tells the truth)."""

    false_fail: tuple[float, float] = (1.0, 19.0)
    """That a healthy arm's run fails."""
    false_pass: tuple[float, float] = (1.0, 9.0)
    """That a broken arm's run passes."""


@dataclass(frozen=True)
class PassFail:
    """Each run failed or passed; both error rates are integrated out (Beta-binomial)."""

    features: NDArray[np.float32]
    """Columns: failed, passed."""
    slip: Slip

    @staticmethod
    def of(runs: Sequence[Run], slip: Slip) -> "PassFail":
        """The likelihood of these runs."""
        failed = np.array([run.failed for run in runs], dtype=np.float32)
        return PassFail(np.stack([failed, 1 - failed], axis=1), slip)

    def log(self, sums: Sums) -> Floats:
        fail_b, pass_b, fail_h, pass_h = self._counts(sums)
        a, b = self.slip.false_fail, self.slip.false_pass
        return self._log_beta(b, pass_b, fail_b) + self._log_beta(a, fail_h, pass_h)

    def rates(self, sums: Sums) -> tuple[Floats, Floats]:
        fail_b, pass_b, fail_h, pass_h = self._counts(sums)
        (a1, a0), (b1, b0) = self.slip.false_fail, self.slip.false_pass
        broken = (b0 + fail_b) / (b0 + b1 + fail_b + pass_b)
        healthy = (a1 + fail_h) / (a0 + a1 + fail_h + pass_h)
        return broken, healthy

    def chance(self) -> float:
        failed, passed = self.features.sum(axis=0)
        # Beta(3, 3): a coin that hardly ever fails is a healthy recipe, not chance.
        return float(betaln(3.0 + failed, 3.0 + passed) - betaln(3.0, 3.0))

    def _counts(self, sums: Sums) -> tuple[NDArray[np.int64], ...]:
        broken = sums.astype(np.int64)
        total = self.features.sum(axis=0).astype(np.int64)
        return broken[0], broken[1], total[0] - broken[0], total[1] - broken[1]

    def _log_beta(
        self, prior: tuple[float, float], wrong: NDArray[np.int64], right: NDArray[np.int64]
    ) -> Floats:
        x, y = prior
        steps = np.arange(len(self.features) + 1)
        one, two, both = gammaln(x + steps), gammaln(y + steps), gammaln(x + y + steps)
        value = (one - one[0])[wrong] + (two - two[0])[right] - (both - both[0])[wrong + right]
        return np.asarray(value, dtype=np.float64)
