"""The pictures that an inspection leaves in its run directory, ready for `pictures.html`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bisector.report.depth_picture import DepthPicture, depth_picture
from bisector.report.gallery_picture import GalleryPicture, gallery_picture
from bisector.report.histogram_picture import (
    BarPicture,
    HistogramPicture,
    class_picture,
    token_picture,
    value_picture,
)
from bisector.rundir import PICTURES


@dataclass(frozen=True, slots=True)
class Pictures:
    """Each is None where it could not be drawn; `absent` says why."""

    gallery: GalleryPicture | None
    classes: BarPicture | None
    tokens: BarPicture | None
    values: HistogramPicture | None
    depth: DepthPicture | None
    absent: tuple[str, ...]


def pictures_in(rundir: Path) -> Pictures | None:
    """What an inspection drew; None where there was none."""
    path = rundir / PICTURES
    if not path.exists():
        return None
    return pictures_of(json.loads(path.read_text(encoding="utf-8")))


def pictures_of(record: Mapping[str, Mapping[str, Any]]) -> Pictures:
    """From the record: what was drawn, and what could not be."""
    drawn, absent = record["drawn"], record["absent"]
    of_tokens = drawn.get("values", {}).get("kind") == "token"
    return Pictures(
        gallery=gallery_picture(drawn["gallery"]) if "gallery" in drawn else None,
        classes=class_picture(drawn["classes"]) if "classes" in drawn else None,
        tokens=token_picture(drawn["values"]) if of_tokens else None,
        values=value_picture(drawn["values"]) if "values" in drawn and not of_tokens else None,
        depth=depth_picture(drawn["activations"]) if "activations" in drawn else None,
        absent=tuple(f"{name}: {why}" for name, why in absent.items()),
    )
