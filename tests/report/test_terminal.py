"""Plain lines: for pipes and log files."""

import io
import os
import pty

import pytest
import report_sessions as rs

from bisector.model.evidence import Evidence
from bisector.model.session import Event, Session, Suspect
from bisector.report.advice import Places
from bisector.report.estimate import Left
from bisector.report.lines import event_line, summary_lines
from bisector.report.panel import Frame, Picture, draw
from bisector.report.summary import summarise
from bisector.report.terminal import TerminalReporter
from bisector.report.wording import cut, duration, elide, number, percent

PLACES = Places(report="out/digits/report.html", tracking="bisect ui", home="out/digits")


def rank(session: Session) -> tuple[Suspect, ...]:
    return rs.RANKED


def replayed(reporter: object, events: tuple[Event, ...]) -> None:
    session = Session(rs.experiment())
    nothing: dict[int, Evidence] = {}
    for event in events:
        session = session.add(event)
        reporter.update(session, event, None)  # type: ignore[attr-defined]
        reporter.progress(session, nothing)  # type: ignore[attr-defined]
    reporter.close(session)  # type: ignore[attr-defined]


def test_a_pipe_gets_one_whole_line_for_each_event_and_no_escape_codes() -> None:
    out = io.StringIO()
    events = rs.one_culprit().session.events
    replayed(TerminalReporter(out, rank, PLACES), events)
    text = out.getvalue()
    assert "\x1b" not in text
    lines = text.splitlines()[: len(events)]
    assert lines[0] == "digits: 10 additions, at most 60 runs, 99.0 % sure"
    assert all(line.strip() for line in lines)
    assert any(line.endswith("loss 41.2 at step 120, baseline below 0.9") for line in lines)
    assert lines[-1] == "concluded: culprit (99.4 %)"


def test_a_set_that_fails_in_another_way_than_the_full_one_is_not_called_broken() -> None:
    script = rs.Script()
    rs.opening(script)
    crash = rs.broke(None, rs.Symptom.CRASH, "ValueError in deep.py:forward")
    script.run(rs.Arm(rs.some("deep", "norm")), rs.Purpose.ISOLATE, crash)
    session = script.session
    told = event_line(session, session.events[-1]).text
    assert "failed another way" in told
    assert "BROKEN" not in told
    picture = Picture(session, rs.RANKED, {}, 1.0, Left(6, 44.0))
    assert "? otherwise" in draw(picture, Frame(80, 30, ascii_only=False)).plain


def test_the_end_tells_the_verdict_the_evidence_the_cost_what_to_do_and_where_things_are() -> None:
    out = io.StringIO()
    replayed(TerminalReporter(out, rank, PLACES), rs.one_culprit().session.events)
    end = out.getvalue().split("concluded:")[1]
    for words in (
        "`focal` breaks training",
        "everything but focal",
        "Cost: 17 runs in 1 min 8 s",
        "early saved 3,300 steps",
        "Leave out `focal`",
        "report   out/digits/report.html",
        "MLflow   bisect ui",
    ):
        assert words in end


@pytest.mark.parametrize("width", [40, 50, 80, 120])
def test_no_line_but_those_to_paste_is_wider_than_the_terminal(width: int) -> None:
    session = rs.one_culprit().session
    for event in session.events:
        assert len(event_line(session, event, width).text) <= width
    for line in summary_lines(summarise(session), width):
        assert len(line.text) <= width or line.style == "code"


def test_columns_stay_aligned_when_a_name_is_long() -> None:
    names = ("short", "a_very_long_name_of_an_addition_" * 4, *rs.NAMES)
    script = rs.Script(rs.experiment(names))
    rs.opening(script)
    table = [
        ln.text
        for ln in summary_lines(summarise(script.session), 80)
        if "0/3" in ln.text or "1/1" in ln.text
    ]
    assert len({line.index("/") for line in table}) == 1


def test_a_terminal_gets_lines_that_do_not_wrap() -> None:
    master, slave = pty.openpty()
    session = Session(rs.experiment())
    with os.fdopen(slave, "w") as out:
        reporter = TerminalReporter(out, rank)
        for event in rs.one_culprit().session.events[:9]:
            session = session.add(event)
            reporter.update(session, event, None)
        shown = ""
        while shown.count("\n") < 9:
            shown += os.read(master, 100_000).decode()
    os.close(master)
    assert all(0 < len(line) <= 80 for line in shown.splitlines())


def test_a_stream_that_cannot_spell_a_name_gets_a_question_mark() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    script = rs.Script(rs.experiment(("größe", "b")))
    rs.opening(script)
    script.run(rs.Arm(rs.some("größe")), rs.Purpose.ISOLATE, rs.broke())
    replayed(TerminalReporter(out, rank), script.session.events)
    out.flush()
    assert b"gr??e" in raw.getvalue()


def test_a_name_too_long_loses_its_middle_and_keeps_both_ends() -> None:
    assert elide("cutout+dropout+focal", 11) == "cuto...ocal"
    assert elide("abc", 3) == "abc"
    assert cut("it trained well", 10) == "it trai..."


def test_numbers_and_times_are_spelled_for_people() -> None:
    assert [percent(p) for p in (1.0, 0.994, 0.62, 0.05, 0.0)] == [
        "over 99.9 %",
        "99.4 %",
        "62 %",
        "5.0 %",
        "under 0.1 %",
    ]
    assert [number(x) for x in (None, 0.1, 41.23456, 1e9, 3e-7)] == [
        "-",
        "0.1000",
        "41.23",
        "1e+09",
        "3e-07",
    ]
    assert [duration(s) for s in (0.42, 12, 200, 7500)] == [
        "0.4 s",
        "12 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
