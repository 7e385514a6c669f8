"""Priors that are learned from the other searches in the output folder."""

import json
import shutil

import pytest
from cli_project import Project

from bisector.cli.main import main


def plan(capsys, *words: str) -> dict[str, object]:
    assert main(["plan", "conf=x", "--json", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    return {a["name"]: (a["prior"], a["learned_from"]) for a in told["additions"]}


@pytest.mark.slow
def test_another_search_makes_its_culprit_suspect_and_what_was_learned_is_recorded(
    finished: Project, capsys
) -> None:
    own, other = plan(capsys), plan(capsys, "name=other")
    assert own["two"] == (0.12, 0)  # not from its own journal
    assert other["two"][0] > own["two"][0]
    assert other["two"][1] == 2
    assert plan(capsys, "name=other", "learn_priors=false") == own
    assert main(["plan", "conf=x", "name=other"]) == 0
    assert "* learned from other searches" in capsys.readouterr().out
    done = finished.bisect("run", "conf=x", "name=other", "--plain")
    assert done.returncode == 0, done.stderr
    journal = finished.folder / "out" / "other" / "journal.jsonl"
    opened = json.loads(journal.read_text().splitlines()[0])
    recorded = {a["name"]: a["prior"] for a in opened["experiment"]["additions"]}
    assert recorded["two"] == other["two"][0]


def test_a_journal_that_cannot_be_read_teaches_nothing(finished: Project, capsys) -> None:
    shutil.copytree(finished.home, finished.folder / "out" / "bad")
    (finished.folder / "out" / "bad" / "journal.jsonl").write_text("not an event\n")
    assert plan(capsys)["two"] == (0.12, 0)
