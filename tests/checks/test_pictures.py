"""What the inspection draws shows what the network receives, and marks what is suspect."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from check_gallery import KINDS, Split, made
from data_changes import mislabelled
from matplotlib.image import imread

from bisector.checks.catalogue import CATALOGUE
from bisector.diagnose import Terms, diagnose
from bisector.report.check_page import write_check_page
from bisector.report.pictures import pictures_of
from bisector.train.facts.png import diverging, grey, png
from bisector.train.facts.scene import Bounds
from bisector.train.facts.shown import of_recipe
from bisector.train.inspection import Inspected, finite, inspect


def seen(kind: str, rundir: Path, *, data: Split | None = None, **changes: Any) -> Inspected:
    return inspect(
        of_recipe(made(kind, rundir, data=data, **changes)), torch.device("cpu"), Bounds()
    )


def pixels(picture: str) -> torch.Tensor:
    return torch.tensor(imread(io.BytesIO(base64.b64decode(picture)), format="png"))


def test_a_picture_in_text_holds_its_pixels() -> None:
    shades = torch.rand(5, 3, 1)
    assert torch.allclose(pixels(png(grey(shades)))[..., None], shades, atol=0.003)
    colours = torch.rand(4, 6, 3)
    assert torch.allclose(pixels(png(grey(colours))), colours, atol=0.003)


def test_the_scale_is_white_at_zero_and_blue_below_it() -> None:
    below, zero, above = diverging(torch.tensor([[[-1.0], [0.0], [1.0]]]))[0].tolist()
    assert min(zero) > 240
    assert below[2] > below[0]
    assert above[0] > above[2]


@pytest.mark.parametrize(
    ("kind", "layout"),
    [("image", "tiles"), ("table", "strips"), ("numbers", "strips"), ("text", "words")],
)
def test_every_kind_of_data_is_drawn(tmp_path: Path, kind: str, layout: str) -> None:
    pictures = seen(kind, tmp_path).pictures
    drawn = pictures["drawn"]
    assert drawn["gallery"]["layout"] == layout
    assert [len(batch) for batch in drawn["gallery"]["batches"]] == [12, 12]
    assert len(drawn["activations"]["layers"]) > 2
    assert set(drawn["values"].get("shares") or drawn["values"]["histograms"][0]["shares"]) == {
        "train",
        "val",
    }
    assert set(pictures["absent"]) == ({"classes"} if kind in ("numbers", "text") else set())
    assert len(json.dumps(finite(pictures))) < 200_000


def test_the_samples_shown_are_those_of_the_data_set(tmp_path: Path) -> None:
    split = KINDS["image"][0]()
    found = seen("image", tmp_path, data=split)
    for sample in found.pictures["drawn"]["gallery"]["batches"][0]:
        number = sample["number"]
        assert sample["target"] == str(int(split.y[number]))
        image = split.x[number, 0]
        low, high = split.x.quantile(0.01), split.x.quantile(0.99)
        shown = ((image - low) / (high - low)).clamp(0, 1)
        assert torch.allclose(pixels(sample["restored"]), shown, atol=0.03)


def test_suspects_are_shown_with_the_label_they_should_have(tmp_path: Path) -> None:
    split = KINDS["image"][0]()
    truth = split.y.clone()
    mislabelled(0.2)(split)
    gallery = seen("image", tmp_path, data=split).pictures["drawn"]["gallery"]
    assert len(gallery["suspects"]) >= 8
    right = [s["likelier"] == str(int(truth[s["number"]])) for s in gallery["suspects"]]
    assert sum(right) >= 0.9 * len(right)


def test_the_page_needs_nothing_beside_itself_and_obeys_nothing_it_shows(tmp_path: Path) -> None:
    found = seen("text", tmp_path)
    drawn = found.pictures["drawn"]
    drawn["gallery"]["batches"][0][0]["received"][0] = "<script>alert(1)</script>"
    diagnosis = diagnose(CATALOGUE, finite(found.facts), found.absent, Terms())
    page = tmp_path / "page.html"
    write_check_page(page, "mine", ["typos"], diagnosis, pictures_of(finite(found.pictures)))
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text
    assert "What the network receives" in text
    assert "Activations by depth" in text
