"""The catalogue is whole: every check is listed, has a page, and obeys its configuration."""

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import bisector.checks
from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import FAMILIES, PARTS_OF_A_PAGE, Check
from bisector.checks.reasons import REASONS
from bisector.collect.observations import FAMILIES as OBSERVED
from bisector.diagnose import BEFORE, Terms, diagnose
from bisector.model.finding import Stage
from bisector.report.diagnosis import lines
from bisector.train.inspection import FAMILIES as MEASURED

ROOT = Path(__file__).parents[2]
ASKED = [c for c in CATALOGUE if c.stage in BEFORE]
UNBALANCED = {"labels": {"counts": [300, 5], "val_counts": [100, 2], "classes": 2, "samples": 305}}


def test_every_check_that_is_defined_is_listed_once() -> None:
    modules = [
        importlib.import_module(f"bisector.checks.{m.name}")
        for m in pkgutil.iter_modules(bisector.checks.__path__)
    ]
    defined = {id(v) for m in modules for v in vars(m).values() if isinstance(v, Check)}
    assert defined == {id(c) for c in CATALOGUE}
    assert len({c.id for c in CATALOGUE}) == len(CATALOGUE)


def test_every_check_serves_a_reason_and_needs_what_is_measured() -> None:
    assert len(REASONS) == 44
    assert {c.reason for c in CATALOGUE} <= {r.id for r in REASONS}
    assert {n for c in CATALOGUE for n in c.needs} <= set(FAMILIES)
    assert set(MEASURED) == {n for n, (stage, _) in FAMILIES.items() if stage in BEFORE}
    watched = {*OBSERVED, "passes", "nonfinite", "course"}
    assert watched == {n for n, (stage, _) in FAMILIES.items() if stage is Stage.RUN}


@pytest.mark.parametrize("check", CATALOGUE, ids=lambda c: c.id)
def test_a_page_says_all_it_must_in_order(check: Check) -> None:
    places = [check.page.find(part) for part in PARTS_OF_A_PAGE]
    assert min(places) > 0
    assert places == sorted(places)


def test_the_pages_in_the_documentation_are_up_to_date() -> None:
    script = ROOT / "scripts" / "make_check_pages.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run scripts/make_check_pages.py: {done.stdout}"


def test_a_threshold_can_be_moved_and_the_finding_says_which() -> None:
    (finding,) = diagnose(CATALOGUE, UNBALANCED, {}, Terms()).findings
    assert (finding.check, finding.reason) == ("R08", "R08")
    assert finding.crossing is not None
    assert finding.crossing.key == "checks.thresholds.R08.ratio"
    assert finding.crossing.value > finding.crossing.limit == 10
    lenient = Terms(thresholds={"R08": {"ratio": 100.0}})
    assert diagnose(CATALOGUE, UNBALANCED, {}, lenient).findings == ()
    off = Terms(off=frozenset({"R08"}))
    assert diagnose(CATALOGUE, UNBALANCED, {}, off).findings == ()


def test_a_finding_is_told_with_its_threshold_and_what_could_not_be_looked_at() -> None:
    told = list(lines(diagnose(CATALOGUE, UNBALANCED, {"inputs": "no shape"}, Terms())))
    assert told[0] == f"1 of {len(ASKED)} checks looked: 1 finding."
    assert told[2] == "1. R08 unbalanced classes (warning, data)"
    assert any("checks.thresholds.R08.ratio=10 (" in line for line in told)
    assert any(line.endswith("needs the samples' inputs (no shape)") for line in told)


def test_where_nobody_could_look_nothing_is_called_well() -> None:
    (first, *_) = lines(diagnose(CATALOGUE, {}, {}, Terms()))
    assert first == f"None of {len(ASKED)} checks could look."


def test_explain_lists_all_reasons_and_says_which_are_not_looked_at() -> None:
    command = [sys.executable, "-m", "bisector", "explain", "--json"]
    rows = json.loads(subprocess.check_output(command, text=True))
    assert [r["id"] for r in rows] == [r.id for r in REASONS]
    told = {r["id"]: r["looked_at"] for r in rows}
    assert told["R08"] == "R08"
    assert told["R31"] == "R31, R31b, R31c"


def test_explain_prints_the_page_of_a_check_and_names_the_nearest_id() -> None:
    command = [sys.executable, "-m", "bisector", "explain"]
    page = subprocess.check_output([*command, "R18"], text=True)
    assert page.count("Why it breaks training:") == sum(c.reason == "R18" for c in CATALOGUE)
    wrong = subprocess.run([*command, "R99"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "hint" in wrong.stderr


def test_what_was_foretold_of_a_loss_and_then_met_is_told_as_met() -> None:
    shape = {"losses": [2.0, 1.0, 0.5], "probabilities": [0.1, 0.5, 0.8], "kind": "scores",
             "saturated": ["loss when surely wrong"], "indifferent": []}  # fmt: skip
    born = {"met": True, "born": "operation", "step": 9, "operator": "log", "phase": "forward",
            "module": "", "where": "", "cause": "the logarithm of 0", "mend": ""}  # fmt: skip
    facts = {"loss_shape": shape, "nonfinite": born}
    checks = [c for c in CATALOGUE if c.id in ("R18c", "R37b")]
    found = diagnose(checks, facts, {}, Terms(), stages=frozenset(Stage))
    assert [f.check for f in found.findings] == ["R37b", "R18c"]
    (unmet,) = diagnose(checks, {"loss_shape": shape}, {}, Terms()).findings
    assert unmet.check == "R18c"
