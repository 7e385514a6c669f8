"""Numbers that look random and are the same on every machine."""

import numpy as np
from numpy.typing import NDArray


def uniforms(seed: tuple[int, ...], count: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that depend on `seed` alone.

    From the raw bits of PCG64, whose stream numpy guarantees, unlike its distributions'.
    """
    raw = np.random.PCG64([abs(s) for s in seed]).random_raw(count)
    return np.asarray(raw >> np.uint64(11), dtype=np.float64) * 2.0**-53
