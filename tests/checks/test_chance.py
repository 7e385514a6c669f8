"""What is changed at random, and what pretrained weights declare, where nothing is wrong with it."""

from pathlib import Path

import pytest
from check_gallery import examined, warned
from recipe_faults import DECLARED, augmented, declaring, noisy_in_workers


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        ("image", "AddNoise", {"std": 0.3}),
        ("image", "Erase", {"share": 0.2}),
        ("table", "AddNoise", {"std": 0.2}),
    ],
)
def test_usual_augmentation_raises_no_alarm(
    tmp_path: Path, kind: str, name: str, arguments: dict[str, float]
) -> None:
    assert warned(examined(augmented(name, **arguments)(kind, tmp_path))) == []


@pytest.mark.parametrize("kind", ["image", "table"])
def test_loader_processes_that_are_seeded_apart_raise_no_alarm(tmp_path: Path, kind: str) -> None:
    assert warned(examined(noisy_in_workers(0.1, own=False)(kind, tmp_path))) == []


@pytest.mark.parametrize("place", DECLARED)
def test_the_preprocessing_that_weights_declare_is_not_remarked_upon(
    tmp_path: Path, place: str
) -> None:
    assert examined(declaring(place)("image", tmp_path)).findings == ()
