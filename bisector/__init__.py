"""bisect: find which addition broke a training run, and why."""

import warnings
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bisector.notebook import load
    from bisector.train.trainable import log, trainable

__all__ = ["__version__", "load", "log", "trainable"]


def __getattr__(name: str) -> object:
    """What is imported only when it is asked for: the command line must start at once."""
    if name in ("log", "trainable"):
        from bisector.train import trainable as reporting  # noqa: PLC0415  see above

        return getattr(reporting, name)
    if name == "load":
        with warnings.catch_warnings():
            # Optuna's progress bars complain in a notebook without widgets; none is shown here.
            warnings.filterwarnings("ignore", message="IProgress not found")
            from bisector.notebook import load as found  # noqa: PLC0415  see above

        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
