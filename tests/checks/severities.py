"""Which of a fault's severities every run of the tests tries."""

from typing import Any

import pytest


def severities(faults: list[tuple[str, str, Any]]) -> list[Any]:
    """The faults as parameters; a second severity of one in the same kind of data is slow."""
    seen: set[tuple[str, str]] = set()
    told = []
    for expected, kind, fault in faults:
        again = (expected, kind) in seen
        seen.add((expected, kind))
        told.append(pytest.param(expected, kind, fault, marks=[pytest.mark.slow] * again))
    return told
