"""A search's report shows what the network received, where an inspection drew it."""

import json
from dataclasses import replace
from pathlib import Path

import report_sessions as rs

from bisector import rundir
from bisector.model.session import Launched
from bisector.model.trial import Arm, Purpose, Trial
from bisector.report.advice import Places
from bisector.report.html import write_report
from bisector.report.inspected import inspected_arm

SAMPLE = {
    "number": 7,
    "target": "<b>3</b>",
    "likelier": "8",
    "received": "AAAA",
    "restored": "AAAA",
    "emitted": "AAAA",
}
GALLERY = {
    "layout": "tiles",
    "shape": [1, 8, 8],
    "augmented_by": [],
    "full": 3.0,
    "batches": [[SAMPLE]],
    "suspects": [],
}


def test_the_last_inspection_is_shown_and_nothing_in_it_is_obeyed(tmp_path: Path) -> None:
    script = rs.one_culprit()
    session, number = script.session, len(script.session.launched)
    looked = Launched(Trial(number, Arm(frozenset({rs.NAMES[0]})), 0, Purpose.INSPECT), "handle")
    session = replace(session, events=(*session.events, looked))
    folder = rundir.of(tmp_path, number)
    folder.mkdir(parents=True)
    record = {"drawn": {"gallery": GALLERY}, "absent": {"classes": "no class numbers"}}
    (folder / rundir.PICTURES).write_text(json.dumps(record), encoding="utf-8")
    page = tmp_path / "report.html"
    places = Places(home=str(tmp_path))
    write_report(session, [], lambda n: rs.curves(session, n), page, places=places)
    text = page.read_text(encoding="utf-8")
    assert "What the network receives" in text
    assert "&lt;b&gt;3&lt;/b&gt;" in text
    assert "likelier 8" in text
    assert "Not drawn: classes: no class numbers." in text


def test_without_an_inspection_there_is_no_such_section(tmp_path: Path) -> None:
    assert inspected_arm(rs.one_culprit().session, str(tmp_path)) is None
