"""TensorBoard's event files, read by TensorBoard itself (the extra `bisector[tensorboard]`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import (
    SCALARS,
    TENSORS,
    EventAccumulator,
)
from tensorboard.util.tensor_util import make_ndarray

from bisector.collect.points import Curves, Points
from bisector.collect.tables import found

_EVENTS = "events.out.tfevents.*"
_ALL = {SCALARS: 0, TENSORS: 0}
"""Keep every value; by default some are dropped at random."""


@dataclass(frozen=True, slots=True)
class TensorBoardReader:
    """Reads the folders of `asked`, and all folders below them."""

    asked: Sequence[str]
    _open: dict[Path, EventAccumulator] = field(init=False, default_factory=dict)

    def read(self, rundir: Path) -> Curves:
        """Scalars by tag; where a folder below has the same tag, the tag follows its name."""
        curves: dict[str, object] = {}
        for root in found(rundir, self.asked):
            for folder in sorted({path.parent for path in root.rglob(_EVENTS)}):
                below = folder.relative_to(root).as_posix()
                for tag, curve in self._folder(folder).items():
                    curves[f"{below}/{tag}" if tag in curves else tag] = curve
        return curves  # type: ignore[return-value]

    @property
    def sought(self) -> str:
        """What is looked for, in words."""
        return " or ".join(f"event files in `{text}`" for text in self.asked)

    def _folder(self, folder: Path) -> Curves:
        if folder not in self._open:
            self._open[folder] = EventAccumulator(str(folder), _ALL)
        # It goes on where it stopped.
        events = self._open[folder].Reload()
        points = Points()
        for tag, step, value in _scalars(events):
            points.add(tag, value, step)
        return points.curves()


def _scalars(events: EventAccumulator) -> Iterator[tuple[str, int, float]]:
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            yield tag, event.step, event.value
    for tag in events.Tags()["tensors"]:
        for event in events.Tensors(tag):
            value = make_ndarray(event.tensor_proto)
            if value.size == 1 and value.dtype.kind in "fiu":
                yield tag, event.step, float(value.reshape(()))
