"""bisect: find which addition broke a training run, and why."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bisector.notebook import load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> object:
    """`load`, imported when it is asked for: the command line must start at once."""
    if name == "load":
        from bisector.notebook import load as found  # noqa: PLC0415  see above

        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
