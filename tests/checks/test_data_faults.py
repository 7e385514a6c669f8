"""Every fault of the data is the first finding, in more than one kind of data and severity."""

from pathlib import Path

import pytest
from check_gallery import KINDS, LICENCE, examined, first, made, warned
from data_changes import Change
from data_faults import DATA_FAULTS
from loader_faults import LOADER_FAULTS, Make, too_small_a_buffer
from recipe_faults import RECIPE_FAULTS
from severities import severities


@pytest.mark.parametrize(("expected", "kind", "change"), severities(DATA_FAULTS))
def test_a_fault_of_the_data_is_the_first_finding(
    tmp_path: Path, expected: str, kind: str, change: Change
) -> None:
    split = KINDS[kind][0]()
    split.x, split.y = split.x.clone(), split.y.clone()
    split.vx, split.vy = split.vx.clone(), split.vy.clone()
    change(split)
    assert first(examined(made(kind, tmp_path, data=split))) == [expected]


@pytest.mark.parametrize(("expected", "kind", "make"), severities([*LOADER_FAULTS, *RECIPE_FAULTS]))
def test_a_fault_of_the_loader_or_of_what_a_recipe_names_is_the_first_finding(
    tmp_path: Path, expected: str, kind: str, make: Make
) -> None:
    assert first(examined(make(kind, tmp_path))) == [expected]


@pytest.mark.parametrize("buffer", [50, 200])
def test_a_shuffle_buffer_too_small_for_sorted_images_is_named(tmp_path: Path, buffer: int) -> None:
    parts = too_small_a_buffer(buffer)("image", tmp_path)
    assert warned(examined(parts))[0] in ("R07b", "R10")


def test_the_licence_is_there_to_be_read() -> None:
    assert len(LICENCE.read_text(encoding="utf-8")) > 10_000
