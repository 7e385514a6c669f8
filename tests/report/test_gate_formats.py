"""The verdict as JUnit XML and as annotations of a pull request."""

from xml.etree import ElementTree as ET

import pytest
import report_sessions as rs

from bisector.model.session import Ruling
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Symptom
from bisector.report.accused import Standing, answers
from bisector.report.annotations import annotations
from bisector.report.junit import junit
from bisector.report.summary import Summary, summarise


def read(script: rs.Script) -> tuple[Summary, ET.Element]:
    summary = summarise(script.session)
    suite = ET.fromstring(junit(summary, script.session.experiment.additions)).find("testsuite")
    assert suite is not None
    return summary, suite


def cases(suite: ET.Element, said: str) -> set[str]:
    return {c.get("name", "") for c in suite.findall("testcase") if c.find(said) is not None}


def test_the_culprit_is_the_one_test_case_that_fails() -> None:
    summary, suite = read(rs.one_culprit())
    assert cases(suite, "failure") == {"focal"}
    assert suite.get("failures") == "1"
    assert suite.get("tests") == str(1 + len(rs.NAMES))
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "culprit"
    assert failure.get("message") == summary.sentence


def test_both_halves_of_an_interaction_fail() -> None:
    _, suite = read(rs.pair())
    assert len(cases(suite, "failure")) == 2


def test_a_search_that_decided_nothing_fails_and_passes_nobody() -> None:
    script = rs.spent()
    summary, suite = read(script)
    assert summary.ruling is Ruling.INCONCLUSIVE
    assert cases(suite, "failure") == set()
    assert cases(suite, "skipped") == set(rs.NAMES)


def test_a_stopped_search_has_not_even_passed_the_baseline() -> None:
    _, suite = read(rs.Script())
    assert cases(suite, "skipped") == {"baseline trains", *rs.NAMES}


def test_where_nothing_breaks_everybody_is_cleared() -> None:
    script = rs.Script()
    rs.opening(script, rs.trained())
    script.conclude(Ruling.NOTHING_BREAKS)
    summary, suite = read(script)
    assert {a.standing for a in answers(summary, script.session.experiment.additions)} == {
        Standing.CLEARED
    }
    assert cases(suite, "skipped") == cases(suite, "failure") == set()


def hostile(name: str) -> rs.Script:
    script = rs.Script(rs.experiment((name, "b")))
    rs.opening(script, rs.broke(None, Symptom.CRASH, name))
    script.run(Arm(rs.some(name)), Purpose.CONFIRM, rs.broke())
    script.conclude(Ruling.CULPRIT, rs.some(name), because=name)
    return script


@pytest.mark.parametrize("name", ['a"><b>&]]>', "x\x00\x1b[2J", "n\n::error::no", "50%,:"])
def test_hostile_names_break_out_of_neither_format(name: str) -> None:
    summary, suite = read(hostile(name))
    assert len(suite.findall("testcase")) == 3
    told = annotations(
        summary, hostile(name).session.experiment.additions, {name: ("c,:%.yaml", 3)}
    )
    assert told.count("\n") == 1
    assert told.startswith("::error file=c%2C%3A%25.yaml,line=3,title=bisect%3A digits::")


def test_what_is_not_a_culprit_is_one_remark_without_a_place() -> None:
    summary = summarise(rs.spent().session)
    told = annotations(summary, rs.spent().session.experiment.additions, {"focal": ("x", 1)})
    assert told.startswith("::warning title=bisect%3A digits::")
    assert told.count("\n") == 1
