"""What stands between a training that somebody else wrote and the hooks that observe it.

Our own loop calls its hooks bare, so that a fault of theirs is seen. In a script that nobody
edited no fault of ours may be: the first one ends the observation, and the training goes on.
"""

import contextlib
from collections.abc import Callable
from typing import Any

Hook = Callable[..., Any]
Guard = Callable[[Hook], Hook]
"""From a hook to the one that is registered in its place."""


def bare(hook: Hook) -> Hook:
    """The hook itself."""
    return hook


class Guarded:
    """A hook from which nothing that goes wrong gets out; afterwards it does nothing."""

    def __init__(self, hook: Hook, shield: "Shield") -> None:
        self._hook = hook
        self._shield = shield

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the hook gives; None where it fails, or one of its kind has failed before."""
        if self._shield.down:
            return None
        try:
            return self._hook(*args, **kwargs)
        except Exception as fault:  # noqa: BLE001  whatever it is, it must not end the user's training
            self._shield.fall(fault)
            return None

    def __reduce__(self) -> tuple[Any, ...]:
        """As a copy, or in a file: a function of Python's own that does nothing.

        A model may be copied or saved with the hooks on it, and read where there is no bisector.
        """
        return getattr, (contextlib.nullcontext(), "__exit__")


class Shield:
    """The guard of one observation; `fell` is told of the first fault, which ends it."""

    def __init__(self, fell: Callable[[Exception], None]) -> None:
        self.down = False
        self._fell = fell

    def __call__(self, hook: Hook) -> Hook:
        """The hook, guarded."""
        return Guarded(hook, self)

    def fall(self, fault: Exception) -> None:
        """Let no hook do anything any more."""
        self.down = True
        self._fell(fault)
