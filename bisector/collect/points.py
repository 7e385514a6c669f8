"""Readings on their way to curves: what every reader of a run's own files gives back."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bisector.model.evidence import Curve

Curves = Mapping[str, Curve]

STEPS = ("step", "global_step", "iter", "iteration", "epoch")
"""Names under which programs count; the first one that a row has is its step."""


class Points:
    """Readings by name, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)

    def add(self, name: str, value: float, step: int | None = None) -> None:
        """One reading; without a step it is the next one of its name."""
        found = self._found[name]
        found.append((len(found) + 1 if step is None else step, value))

    def curves(self) -> dict[str, Curve]:
        """The readings as curves."""
        return {
            name: Curve(tuple(step for step, _ in found), tuple(value for _, value in found))
            for name, found in self._found.items()
        }


@dataclass(frozen=True, slots=True)
class Memory:
    """What was read from files, until they change: a search looks at running trials every second."""

    _known: dict[Path, tuple[object, Curves]] = field(default_factory=dict)

    def read(self, path: Path, read: Callable[[Path], Curves]) -> Curves:
        """What `read` makes of the file, read again only when it has changed."""
        stat = path.stat()
        stamp = (stat.st_size, stat.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            self._known[path] = known = (stamp, read(path))
        return known[1]
