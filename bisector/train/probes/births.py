"""Where among the operations of a step a value that is not finite was born, and how it spread."""

from collections.abc import Sequence
from typing import Any

from bisector.train.probes.causes import cause_of
from bisector.train.probes.tracer import Operation, Range

SHOWN = 12
"""Operations of a path that are told, about."""


def path_to(operations: Sequence[Operation], last: int) -> list[Operation]:
    """The way from where it was born to operation `last`, through what fed it."""
    way = [operations[last]]
    while True:
        feeding = [operations[p] for p in way[-1].parents if not operations[p].constant]
        if not feeding:
            return way[::-1]
        # A NaN tells more than an infinity, which may be meant.
        way.append(min(feeding, key=lambda op: not op.output.nans))


def birth(way: Sequence[Operation]) -> dict[str, Any]:
    """What is told of a value that was born at the beginning of a path: where, and of what cause."""
    born = way[0]
    cause = cause_of(born)
    places = (f"in {born.module}" if born.module else "", f"({born.place})" if born.place else "")
    return {
        "operator": f"{born.name}, the gradient of {born.forward}" if born.forward else born.name,
        "phase": born.phase,
        "module": born.module,
        "where": " ".join(filter(None, places)),
        "born": cause.born,
        "cause": cause.cause,
        "mend": cause.mend,
        "inputs": ranges_told(born.inputs),
        "path": way_told(way),
    }


def way_told(way: Sequence[Operation]) -> list[str]:
    """A path in lines: how it begins, and how it ends."""
    lines = [told(operation) for operation in way]
    if len(lines) <= SHOWN:
        return lines
    left_out = len(lines) - SHOWN
    return [*lines[: SHOWN - 3], f"... {left_out} more ...", *lines[-3:]]


def told(operation: Operation) -> str:
    """One operation of a path, in a few words."""
    of = f" of {operation.forward}" if operation.forward else ""
    where = f" in {operation.module}" if operation.module else ""
    return f"{operation.phase} {operation.name}{of}{where}: {operation.output.told()}"


def ranges_told(ranges: Sequence[Range]) -> list[str]:
    """What an operation was given."""
    return [r.told() for r in ranges[:6]]
