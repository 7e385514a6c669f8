"""Optuna's published contract for samplers, run over ours.

Left out, because they hand a sampler a relative space that it never infers: numbers are no
additions, so `infer_relative_search_space` returns categorical parameters only.
"""

import warnings
from collections.abc import Callable

import optuna
import pytest
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from bisector.sampler import BisectSampler


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def endless() -> BisectSampler:
    """The contract counts trials, so the study must not end with the verdict."""
    return BisectSampler(0.5, stop=False)


def with_tpe() -> BisectSampler:
    return BisectSampler(
        0.5, stop=False, independent_sampler=optuna.samplers.TPESampler(n_startup_trials=0)
    )


class Ours:
    @pytest.fixture(params=[endless, with_tpe])
    def sampler(self, request) -> Callable[[], BisectSampler]:
        return request.param


class TestBasic(Ours, BasicSamplerTestCase):
    pass


class TestRelative(Ours, RelativeSamplerTestCase):
    test_sample_relative_numerical = None  # see the top: numbers are no additions
    test_sample_relative_mixed = None  # the same


class TestSingleObjective(Ours, SingleOnlySamplerTestCase):
    """Not `MultiObjectiveSamplerTestCase`: one value decides what is broken."""
