"""`bisect explain`: a page for every reason, and what can be looked for in an experiment."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bisector.checks.check import PARTS_OF_A_PAGE
from bisector.checks.reasons import REASONS, Reason
from bisector.cli.explain import PAGES, explained, looked_at, outcome
from bisector.model.finding import Diagnosis, Unlooked
from bisector.model.variant import Variant

BISECT = (sys.executable, "-m", "bisector", "explain")


@pytest.mark.parametrize("reason", REASONS, ids=lambda r: r.id)
def test_every_reason_has_a_page_with_an_example_and_its_source(reason: Reason) -> None:
    pages = list(explained(reason.id))
    assert pages
    for page in pages:
        places = [page.find(f"\n{part}") for part in PARTS_OF_A_PAGE]
        assert min(places) > 0
        assert places == sorted(places)


def test_every_page_that_is_written_belongs_to_a_reason() -> None:
    assert {p.name for p in PAGES.iterdir()} <= {f"{r.id}.txt" for r in REASONS}


@pytest.mark.parametrize("reason", REASONS, ids=lambda r: r.id)
def test_every_reason_is_looked_for_by_a_check_or_by_further_runs(reason: Reason) -> None:
    assert looked_at(reason)
    for name in reason.elsewhere.partition("(")[2].rstrip(")").split(", "):
        assert not name or name in set(Variant)


def test_a_reason_that_could_not_be_looked_for_says_what_it_needs() -> None:
    by_id = {r.id: r for r in REASONS}
    lacking = Unlooked("R08", "unbalanced classes", "needs targets that are class numbers")
    diagnosis = Diagnosis(findings=(), unlooked=(lacking,), silent=("R06",))
    assert outcome(by_id["R08"], diagnosis).status == "could not look"
    assert outcome(by_id["R08"], diagnosis).because.startswith("R08 needs targets")
    assert outcome(by_id["R06"], diagnosis).status == "looked: nothing found"
    assert outcome(by_id["R24"], diagnosis).status == "see `bisect run` (wider)"
    assert outcome(by_id["B4"], diagnosis).status == "see R01"


@pytest.mark.slow
def test_an_experiment_is_told_reason_by_reason(tmp_path: Path) -> None:
    words = ["conf=digits", "--on", "focal", "--json", "--out", str(tmp_path), "launcher=inline"]
    rows = json.loads(subprocess.check_output([*BISECT, *words], text=True))
    status = {row["id"]: row["status"] for row in rows}
    assert list(status) == [r.id for r in REASONS]
    assert status["R18"].startswith("found R18a")
    assert status["R08"] == "looked: nothing found"
    assert status["R31"] == "needs a training run"
