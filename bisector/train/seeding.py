"""Random streams: one per use, all derived from the run's seed.

Arms are compared seed by seed, so an addition that draws random numbers must not
shift the numbers that anything else draws: initial weights, data order, each
augmentation and dropout have a stream of their own.
"""

import hashlib
import os
import random
from typing import Any

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**63) for the stream `names` of the run `seed`; the same on every machine."""
    key = ":".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A CPU generator at the start of the stream `names`."""
    return torch.Generator().manual_seed(derive(seed, *names))


def seed_everything(seed: int) -> None:
    """Put every global generator (Python, NumPy, torch, CUDA) at the start of `seed`'s stream."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_loader_worker(worker: int) -> None:
    """Seed NumPy and Python in a loader's worker process; torch has seeded itself by then."""
    seed = torch.initial_seed()
    random.seed(seed)
    np.random.seed(seed % 2**32)


def use_deterministic_algorithms() -> None:
    """Ask torch for the same bits every time; where there is no such kernel it only warns."""
    # cuBLAS reads this when its first handle is made, so it must be set before any CUDA work.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def global_state() -> dict[str, Any]:
    """The states of all global generators."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def restore_global_state(state: dict[str, Any]) -> None:
    """Undo: put all global generators where `global_state` found them."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    torch.cuda.set_rng_state_all(state["cuda"])
