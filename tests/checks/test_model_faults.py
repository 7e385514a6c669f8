"""Every fault of the model, its loss or its optimizer is the first finding, at more than one severity."""

import dataclasses
from pathlib import Path

import pytest
from check_gallery import KINDS, copied, examined, first, made, warned
from model_faults import MODEL_FAULTS, Change, times
from optimiser_faults import OPTIMISER_FAULTS
from reach_faults import REACH_FAULTS
from severities import severities


@pytest.mark.parametrize(
    ("expected", "kind", "change"), severities([*MODEL_FAULTS, *OPTIMISER_FAULTS, *REACH_FAULTS])
)
def test_a_fault_of_the_model_is_the_first_finding(
    tmp_path: Path, expected: str, kind: str, change: Change
) -> None:
    assert first(examined(change(made(kind, tmp_path)))) == [expected]


def test_targets_far_from_zero_are_named_before_the_first_loss_that_they_make(
    tmp_path: Path,
) -> None:
    split = KINDS["numbers"][0]()
    split.y, split.vy = (152 + 77 * part for part in (split.y, split.vy))
    assert warned(examined(made("numbers", tmp_path, data=split)))[:2] == ["R12b", "R17"]


def test_a_fault_upstream_is_named_before_those_downstream(tmp_path: Path) -> None:
    split = KINDS["image"][0]()
    split.x, split.vx = (96 * part + 78 for part in (split.x, split.vx))
    parts = made("image", tmp_path, data=split)
    parts = dataclasses.replace(parts, order=copied(parts.order, [list(range(32))] * 4))
    assert warned(examined(times(20.0)(parts)))[:3] == ["R03b", "R03d", "R12"]
