"""Hears when a function of somebody else's module is called, and puts the function back."""

from collections.abc import Callable
from functools import wraps
from typing import Any

Told = Callable[[tuple[Any, ...]], object]
"""Is told the arguments."""


class Hearing:
    """One function under which a listener sits; `before` it is called, or after."""

    def __init__(self, owner: Any, name: str, told: Told, *, before: bool = False) -> None:
        self._owner, self._name = owner, name
        self._original = original = getattr(owner, name)

        @wraps(original)
        def heard(*args: Any, **kwargs: Any) -> Any:
            if before:
                told(args)
            out = original(*args, **kwargs)
            if not before:
                told(args)
            return out

        self._heard = heard
        setattr(owner, name, heard)

    def end(self) -> None:
        """Put the function back, unless somebody has put another one there since."""
        if getattr(self._owner, self._name) is self._heard:
            setattr(self._owner, self._name, self._original)
