"""Properties of your own losses and layers, for your own test suite.

    from bisector.testing.properties import check_loss, check_module

    def test_my_loss_is_a_loss() -> None:
        check_loss(FocalLoss(gamma=2.0))

    def test_my_block_keeps_samples_apart() -> None:
        check_module(Block(16), input=[8, 16, 13, 17])

Both raise AssertionError with every finding in words, and leave the random streams as they were.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import Check
from bisector.diagnose import Terms, diagnose
from bisector.model.finding import Diagnosis, Severity
from bisector.train.facts.made_up import made_input
from bisector.train.inspection import Inspected, finite
from bisector.train.piece import OF_LOSS, OF_MODULE, Refused, look_at_loss, look_at_module


def check_loss(
    loss: Callable[..., Any],
    *,
    kind: str | None = None,
    skip: Collection[str] = (),
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Assert that a loss is one: finite, least at the target, indifferent to the batch's order.

    Args:
        loss: from outputs and targets to a scalar.
        kind: `classes`: scores [N, C] and class numbers [N]; `tokens`: [N, T, C] and [N, T];
            `binary`: [N] and zeros and ones [N]; `numbers`: [N] and [N]. None: the first it takes.
        skip: ids of checks that are not to look.
        thresholds: by check, then by name, in place of the defaults.

    Raises:
        AssertionError: it takes none of them, or a check has found something.
    """
    try:
        found = look_at_loss(loss, kind)
    except Refused as why:
        raise AssertionError(str(why)) from None
    _assert_clean(found, OF_LOSS, Terms(off=frozenset(skip), thresholds=thresholds or {}))


def check_module(
    module: Any,
    *,
    input: Any,
    tokens: int | None = None,
    skip: Collection[str] = (),
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Assert that a layer learns in all its parts, and reads every sample by itself.

    Args:
        module: a module, or a function that makes one anew, so that saving and loading can be tried.
        input: its shape, the batch first and best of prime sizes, or a tensor.
        tokens: inputs are token numbers below this.
        skip: ids of checks that are not to look.
        thresholds: by check, then by name, in place of the defaults.

    Raises:
        AssertionError: it does not take the input, or a check has found something.
    """
    x = made_input(input, tokens) if isinstance(input, Sequence) else input
    makes = isinstance(module, type) or not hasattr(module, "state_dict")
    name = getattr(module, "__name__", "the module") if makes else type(module).__name__
    try:
        found = look_at_module(module if makes else lambda: module, x, name)
    except Refused as why:
        raise AssertionError(str(why)) from None
    _assert_clean(found, OF_MODULE, Terms(off=frozenset(skip), thresholds=thresholds or {}))


def checks_of(families: Collection[str]) -> tuple[Check, ...]:
    """The checks that need no other families of facts than these."""
    return tuple(c for c in CATALOGUE if set(c.needs) <= set(families))


def diagnosis_of(found: Inspected, families: Collection[str], terms: Terms) -> Diagnosis:
    """What these checks say of a piece."""
    return diagnose(checks_of(families), finite(found.facts), found.absent, terms)


def _assert_clean(found: Inspected, families: Collection[str], terms: Terms) -> None:
    findings = diagnosis_of(found, families, terms).findings
    words = [
        f"{f.check} {f.title}: {f.summary}\n  {f.remedy.text}"
        for f in findings
        if f.severity is not Severity.NOTE
    ]
    assert not words, "\n".join(["", *words])
