"""Of every check that looks before training, faults of two severities in two kinds of data are known.

That each of them is named first is seen in `test_data_faults.py` and `test_model_faults.py`; here
only that none is lacking.
"""

import inspect
from collections.abc import Callable

import pytest
from check_gallery import MODALITIES
from data_faults import DATA_FAULTS
from loader_faults import LOADER_FAULTS
from model_faults import MODEL_FAULTS
from optimiser_faults import OPTIMISER_FAULTS
from reach_faults import REACH_FAULTS
from recipe_faults import RECIPE_FAULTS

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import Check
from bisector.diagnose import BEFORE

ROWS = [
    *DATA_FAULTS,
    *LOADER_FAULTS,
    *RECIPE_FAULTS,
    *MODEL_FAULTS,
    *OPTIMISER_FAULTS,
    *REACH_FAULTS,
]
ONE_MODALITY = {
    "R04c": "only sequences have a target at every position, that the next input could be",
    "R25c": "only of a model that foretells the next token must no position see a later one",
    "R28e": "only in sequences do places attend to one another",
    "R14a": "weights declare a mean, a deviation and a size of images only",
    "R14b": "only images have channels whose order the weights declare",
    "R04e": "only in tables is a feature by itself a measurement with a meaning",
}
"""Where a check can look at one kind of data only, and why."""
BEFORE_TRAINING = [c for c in CATALOGUE if c.stage in BEFORE]


def severity(fault: Callable[..., object]) -> str:
    """What tells a fault from another one: its code, and what it was made with."""
    inside = inspect.getclosurevars(fault).nonlocals if inspect.isfunction(fault) else {}
    made_with = {n: severity(v) if callable(v) else repr(v) for n, v in inside.items()}
    code = getattr(fault, "__code__", None)
    place = (code.co_filename, code.co_firstlineno) if code else repr(fault)
    return repr((place, made_with))


@pytest.mark.parametrize("check", BEFORE_TRAINING, ids=lambda c: c.id)
def test_of_every_check_two_severities_and_two_kinds_of_data_are_tried(check: Check) -> None:
    mine = [(kind, fault) for expected, kind, fault in ROWS if expected == check.id]
    assert len({severity(fault) for _, fault in mine}) >= 2
    seen = {MODALITIES[kind] for kind, _ in mine}
    assert len(seen) >= (1 if check.id in ONE_MODALITY else 2), seen


def test_no_exception_is_made_of_a_check_that_needs_none() -> None:
    seen = {c: {MODALITIES[k] for e, k, _ in ROWS if e == c} for c in ONE_MODALITY}
    assert {c for c, kinds in seen.items() if len(kinds) != 1} == set()


def test_every_fault_is_of_a_check_that_there_is() -> None:
    assert {expected for expected, _, _ in ROWS} == {c.id for c in BEFORE_TRAINING}
