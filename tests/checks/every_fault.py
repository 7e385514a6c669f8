"""Every fault of data, loader, recipe, model and optimizer as one list, for whoever compares checks with one another."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

from check_gallery import KINDS, made
from data_changes import Change as DataChange
from data_faults import DATA_FAULTS
from loader_faults import LOADER_FAULTS
from model_faults import MODEL_FAULTS
from optimiser_faults import OPTIMISER_FAULTS
from reach_faults import REACH_FAULTS
from recipe_faults import RECIPE_FAULTS

from bisector.train.parts import Parts


@dataclass(frozen=True)
class EveryFault:
    """A recipe with one thing wrong in it."""

    name: str
    """What was done, in which kind of data, and which time in the list: `blank image 2`."""
    kind: str
    expected: str
    """The check that must be first."""
    make: Callable[[Path], Parts]
    """Makes the recipe's parts anew, the fault in them."""

    @property
    def reason(self) -> str:
        """The reason that its check serves."""
        return self.expected.rstrip(ascii_lowercase)


def every_fault() -> list[EveryFault]:
    """In the order of the lists: data, loader, recipe, model, optimizer."""
    seen: Counter[str] = Counter()
    found = []
    for expected, kind, done, make in _all():
        name = f"{done} {kind}"
        seen[name] += 1
        found.append(EveryFault(f"{name} {seen[name]}", kind, expected, make))
    return found


def _all() -> Iterator[tuple[str, str, str, Callable[[Path], Parts]]]:
    for expected, kind, change in DATA_FAULTS:
        yield expected, kind, _named(change), _in_data(kind, change)
    for expected, kind, make in (*LOADER_FAULTS, *RECIPE_FAULTS):
        yield expected, kind, _named(make), lambda d, kind=kind, make=make: make(kind, d)
    for expected, kind, change in (*MODEL_FAULTS, *OPTIMISER_FAULTS, *REACH_FAULTS):
        yield expected, kind, _named(change), lambda d, k=kind, c=change: c(made(k, d))


def _in_data(kind: str, change: DataChange) -> Callable[[Path], Parts]:
    def make(rundir: Path) -> Parts:
        split = KINDS[kind][0]()
        split.x, split.y = split.x.clone(), split.y.clone()
        split.vx, split.vy = split.vx.clone(), split.vy.clone()
        change(split)
        return made(kind, rundir, data=split)

    return make


def _named(function: Callable[..., object]) -> str:
    """The function that was written, whatever it returned."""
    return function.__qualname__.partition(".")[0]
