"""What a script calls its modules, and which modules there are: asked of Python itself."""

import gc
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Any

from torch import nn

FRAMES = 8
"""Callers whose variables are looked through."""


def name_of(module: nn.Module) -> str:
    """The variable or attribute by which the callers know a module; else its class, in lower case."""
    for frame in islice(_users_frames(), FRAMES):
        for name, value in frame.f_locals.items():
            if found := _within(name, value, module):
                return found
    return type(module).__name__.lower()


def _users_frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        layer = str(frame.f_globals.get("__name__", "")).partition(".")
        if layer[0] not in ("torch", "bisector"):
            yield frame
        frame = frame.f_back


def _within(name: str, value: Any, module: nn.Module) -> str:
    if value is module:
        return "" if name == "self" else name
    if issubclass(type(value), nn.Module):
        return next((n for n, m in value.named_modules() if m is module), "")
    held = getattr(value, "__dict__", None) if name == "self" else None
    return next((n for n, v in (held or {}).items() if v is module), "")


def living_modules() -> list[nn.Module]:
    """All modules of the process."""
    # By type: an instance's `__class__` may be made up, by code that minds being asked.
    return [found for found in gc.get_objects() if issubclass(type(found), nn.Module)]


def topmost(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Those of the modules that are part of no other of them."""
    below = {id(part) for m in modules for part in m.modules() if part is not m}
    return [m for m in modules if id(m) not in below]
