"""`bisect replay`: a search from a copy of its journal, edited or not."""

import json
from pathlib import Path

import pytest
from cli_project import Project

from bisector.cli.main import main


def log(project: Project, to: str = "copy.jsonl") -> list[dict[str, object]]:
    """The journal as `bisect log` prints it, written to a file."""
    told = project.bisect("log", "conf=x", "--json").stdout
    (project.folder / to).write_text(told)
    return [json.loads(line) for line in told.splitlines()]


def test_a_replayed_search_ends_as_it_did_and_trains_nothing(finished: Project) -> None:
    log(finished)
    verdict, began = finished.concluded(), finished.began()
    assert main(["replay", "copy.jsonl"]) == 0
    assert finished.events("Concluded") == []
    done = finished.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    assert finished.concluded() == verdict
    assert finished.began() == began
    assert (finished.home / "earlier" / "1" / "journal.jsonl").exists()


def test_a_judgement_that_was_taken_out_is_made_again_from_the_run_it_was_made_of(
    finished: Project,
) -> None:
    events = log(finished)
    first = next(i for i, e in enumerate(events) if e["event"] == "Judged")
    verdict, judged, began = finished.concluded(), finished.judged(), finished.began()
    rest = events[:first] + events[first + 1 :]
    Path("copy.jsonl").write_text("".join(json.dumps(e) + "\n" for e in rest))
    assert main(["replay", "copy.jsonl"]) == 0
    assert len(finished.judged()) == len(judged) - 1
    done = finished.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    assert (finished.concluded(), finished.began()) == (verdict, began)
    assert finished.judged() == judged


@pytest.mark.parametrize("words", [[], ["no/such.jsonl"], ["conf/x.yaml", "lab.py"]])
def test_what_is_no_journal_is_said(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["replay", *words]) == 2
    assert "takes one journal" in capsys.readouterr().err


def test_a_journal_that_lacks_a_launch_is_refused_and_nothing_is_touched(
    finished: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [e for e in log(finished) if e["event"] != "Launched" or e["trial"]["number"] != 2]
    Path("copy.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    before = (finished.home / "journal.jsonl").read_bytes()
    assert main(["replay", "copy.jsonl"]) == 2
    assert "`Launched` event of run 2" in capsys.readouterr().err
    assert (finished.home / "journal.jsonl").read_bytes() == before
