"""A search goes on while those who talk to its cluster die, hang, and are silent."""

import os
import time
from pathlib import Path

import pytest

from bisector.errors import LaunchError
from bisector.launch.processes import born
from bisector.launch.ray_line import Line


@pytest.fixture
def line(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "probes"))
    monkeypatch.setattr("bisector.launch.ray_line._AGAIN_SECONDS", 0.0)
    made = Line({}, outage=30.0, desk="probe_desk")
    made.open()
    yield made
    made.close()


def who(line):
    """The process that answers, once one does."""
    return line.insist("say", patience=30.0)[0]


def test_a_question_is_answered_and_an_order_carried_out(line):
    assert line.ask("say", "a", 2, patience=10.0)[1:] == ["a", 2]
    assert line.ask("do", patience=10.0) is True


def test_one_that_dies_is_replaced_and_says_nothing_meanwhile(line):
    first = who(line)
    assert line.ask("die", patience=10.0) is None
    assert who(line) != first
    assert born(first) is None


def test_a_late_answer_is_no_answer_to_the_next_question(line):
    first = who(line)
    assert line.ask("sleep", 0.3, patience=0.05) is None
    assert line.ask("say", "too soon", patience=0.05) is None
    assert line.insist("say", "next", patience=10.0) == [first, "next"], "it was not given up"


def test_one_that_hangs_is_given_up(line, monkeypatch):
    monkeypatch.setattr("bisector.launch.ray_line._HUNG_SECONDS", 0.1)
    first = who(line)
    assert line.ask("sleep", 600, patience=0.05) is None
    time.sleep(0.1)
    assert who(line) != first
    assert born(first) is None


def test_what_is_refused_is_said(line):
    with pytest.raises(LaunchError, match="not that one") as refused:
        line.ask("refuse", patience=10.0)
    assert refused.value.hint == "another"
    assert who(line)


def test_silence_is_borne_until_it_has_lasted_too_long(line):
    assert line.ask("silent", patience=10.0) is None
    line.outage = 0.0
    time.sleep(0.01)
    with pytest.raises(LaunchError, match="has not answered"):
        line.ask("silent", patience=10.0)


def test_an_order_that_is_not_heard_is_an_error(line):
    with pytest.raises(LaunchError, match="has not answered"):
        line.insist("silent", patience=0.2)


def test_a_first_one_without_a_cluster_says_so(line):
    with pytest.raises(LaunchError, match="no cluster"):
        Line({"refuse": 1}, outage=30.0, desk="probe_desk").open()


def test_one_that_cannot_begin_leaves_its_last_words():
    with pytest.raises(LaunchError, match="No module named"):
        Line({}, outage=30.0, desk="no_such_desk").open()


def test_a_search_does_not_end_by_its_desk_s_ctrl_c(line):
    assert os.getsid(who(line)) != os.getsid(0), "it gets none of the terminal's signals"


def test_its_options_are_not_for_every_user_of_the_machine_to_read(line):
    made = Line({"runtime_env": {"env_vars": {"TOKEN": "hunter2"}}}, outage=30.0, desk="probe_desk")
    made.open()
    argv = Path(f"/proc/{who(made)}/cmdline").read_bytes()
    made.close()
    assert b"probe_desk" in argv
    assert b"hunter2" not in argv
