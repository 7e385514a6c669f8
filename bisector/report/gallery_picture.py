"""What the network receives, as the inspection left it: samples with their targets, for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bisector.report.wording import clean, cut

_LABEL = 28
"""Letters of a target or a token that are shown."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One position of a text: the token given, the target there, and what stood there before."""

    token: str
    target: str
    changed: str
    """The token before augmentation; empty where it is the same."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample as it is shown."""

    number: str
    target: str
    likelier: str
    """The label that its neighbours have; empty where nothing speaks against its own."""
    received: str
    restored: str
    emitted: str
    """Pictures, PNG in base64; the last is empty where nothing is augmented."""
    cells: tuple[Cell, ...]
    told: str
    """The sample in words."""


@dataclass(frozen=True, slots=True)
class Group:
    """A batch, or the samples whose labels are suspect."""

    title: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """All that is shown of what the network receives."""

    layout: str
    """`tiles`, `strips` or `words`."""
    groups: tuple[Group, ...]
    note: str
    aligned: bool
    """Whether text has a target at each position."""
    augmented: bool


def gallery_picture(found: Mapping[str, Any]) -> GalleryPicture:
    """From what `bisector.train.facts.gallery` recorded."""
    augmented = bool(found["augmented_by"])
    groups = [
        Group(f"Batch {i}", tuple(_sample(s, augmented=augmented) for s in batch))
        for i, batch in enumerate(found["batches"], 1)
    ]
    if found["suspects"]:
        suspects = tuple(_sample(s, augmented=False) for s in found["suspects"])
        groups.append(Group("Labels to look at: the neighbours have another", suspects))
    layout = str(found["layout"])
    return GalleryPicture(
        layout=layout,
        groups=tuple(groups),
        note=_note(found, layout),
        aligned=any(c.target for g in groups for s in g.samples for c in s.cells),
        augmented=augmented,
    )


def _note(found: Mapping[str, Any], layout: str) -> str:
    shape = " x ".join(map(str, found["shape"])) or "one number"
    names = ", ".join(f"`{clean(name)}`" for name in found["augmented_by"])
    by = f"after {names}" if names else "nothing is augmented"
    scale = f"zero is white or mid-grey, full colour is {found['full']:g} off zero"
    third = "; third, before augmentation" if names else ""
    how = {
        "tiles": f"Left, the values that the network is given: {scale}. Right, the same mapped "
        f"back to the training split's range{third}.",
        "strips": f"One row a sample. First, the values that the network is given: {scale}. "
        "Then the same mapped back to each feature's range in the training split.",
        "words": "One row a sample, position by position.",
    }
    return f"Inputs are {shape}; {by}. {how[layout]}"


def _sample(sample: Mapping[str, Any], *, augmented: bool) -> Sample:
    number = "" if sample["number"] is None else f"#{sample['number']}"
    target, likelier = (cut(clean(str(sample[k])), _LABEL) for k in ("target", "likelier"))
    told = f"Sample {number or 'of unknown number'}" + (f", target {target}" if target else "")
    words = isinstance(sample["received"], list)
    return Sample(
        number=number,
        target=target,
        likelier=likelier,
        received="" if words else str(sample["received"]),
        restored="" if words else str(sample["restored"]),
        emitted=str(sample["emitted"]) if augmented and not words else "",
        cells=_cells(sample) if words else (),
        told=told + (f", probably {likelier}" if likelier else ""),
    )


def _cells(sample: Mapping[str, Sequence[str]]) -> tuple[Cell, ...]:
    given, before = sample["received"], sample["emitted"]
    targets = sample["targets"] or [""] * len(given)
    return tuple(
        Cell(visible(token), visible(target), "" if token == old else visible(old))
        for token, old, target in zip(given, before, targets, strict=True)
    )


def visible(token: str) -> str:
    """A token's text, with a sign for what cannot be seen."""
    signs = {" ": "\N{OPEN BOX}", "\n": "\N{RETURN SYMBOL}", "\t": "\N{RIGHTWARDS ARROW TO BAR}"}
    return cut(clean("".join(signs.get(c, c) for c in token)), _LABEL)
