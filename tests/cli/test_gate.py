"""`bisect run | report` as a gate of a CI system."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli_project import Project

from bisector.cli.main import main


def test_a_gate_fails_on_the_verdicts_it_names_and_on_no_others(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "conf=x", "--md", "--fail-on", "culprit"]) == 4
    assert main(["report", "conf=x", "--md", "--fail-on", "baseline-broken,nothing-breaks"]) == 0
    assert main(["run", "conf=x", "--plain", "--fail-on", "culprit", "--junit", "verdict.xml"]) == 4
    suite = ET.parse("verdict.xml").getroot()
    assert [c.get("name") for c in suite.iter("testcase") if c.find("failure") is not None] == [
        "two"
    ]


def test_a_gate_beside_a_search_without_a_verdict_does_not_pass(finished: Project) -> None:
    journal = Path("out/x/journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"Concluded"' not in line))
    assert main(["report", "conf=x", "--md", "--fail-on", "culprit"]) == 1
    assert main(["report", "conf=x", "--md"]) == 0


def test_the_pull_request_shows_the_verdict_at_the_line_that_declares_the_culprit(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = finished.conf.read_text().splitlines()
    at = 1 + next(i for i, line in enumerate(lines) if line.startswith("  two:"))
    assert main(["report", "conf=x", "--md", "--github"]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert len(told) == 1
    assert told[0].startswith(f"::error file=conf/x.yaml,line={at},title=bisect%3A x::`two` breaks")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fail-on", "culprti"], "Did you mean `culprit`?"),
        (["--junit", "no/such/folder.xml"], "there is no folder no/such"),
        (["--github", "--json"], "both write to standard output"),
    ],
)
def test_a_gate_that_cannot_be_kept_is_said_before_any_run(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["run", "conf=x", *words]) == 2
    assert said in capsys.readouterr().err
    assert not project.home.exists()
