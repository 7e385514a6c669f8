"""bisect: find which addition broke a training run, and why."""

__version__ = "0.1.0"
