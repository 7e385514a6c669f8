import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisector.errors import JournalError
from bisector.journal import Journal, _plain
from bisector.model import session as s
from bisector.model.experiment import Experiment

finite = st.floats(allow_nan=False)
st.register_type_strategy(float, finite)
EXPERIMENT = Experiment(name="x", additions=())
OPENED = s.Opened(EXPERIMENT, {"seed": 0, "recipe": {"lr": 0.1}}, "f", "1", 0.0)
events = st.one_of([st.builds(c) for c in (s.Launched, s.Judged, s.Accused, s.Concluded)])


@settings(max_examples=60, deadline=None)
@given(st.lists(events, max_size=5))
def test_load_gives_back_what_was_appended(tmp_path_factory, written) -> None:
    journal = Journal(tmp_path_factory.mktemp("j") / "journal.jsonl")
    for event in (OPENED, *written):
        journal.append(event)
    session = journal.load()
    assert session is not None
    assert session.events == (OPENED, *written)


def test_an_absent_or_empty_journal_is_no_session(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none").load() is None
    (tmp_path / "empty").write_text("")
    assert Journal(tmp_path / "empty").load() is None


def test_a_torn_last_line_is_ignored_by_readers_and_cut_by_the_writer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(OPENED)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + b'{"event": "Conc')
    session = journal.load()
    assert session is not None
    assert session.events == (OPENED,)
    assert journal.cut_torn_line() == len(b'{"event": "Conc')
    assert journal.path.read_bytes() == whole
    assert journal.cut_torn_line() == 0


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_journal_torn_anywhere_in_its_last_line_keeps_all_before(
    tmp_path: Path, cut: int
) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(OPENED)
    before = journal.path.stat().st_size
    journal.append(s.Concluded(s.Ruling.CULPRIT, (frozenset({"a"}),), 0.99, "because"))
    journal.path.write_bytes(journal.path.read_bytes()[: before + cut])
    journal.cut_torn_line()
    session = journal.load()
    assert session is not None
    assert session.events == (OPENED,)


@pytest.mark.parametrize(
    "line", ["nonsense", '{"event": "Unheard"}', '{"event": "Judged"}', "[1]", "{}", ""]
)
def test_damage_elsewhere_names_the_line_and_the_mend(tmp_path: Path, line: str) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(OPENED)
    with journal.path.open("a") as file:
        file.write(line + "\n" + json.dumps({"event": "Opened", **_plain(OPENED)}) + "\n")
    with pytest.raises(JournalError, match="j:2 is not an event") as e:
        journal.load()
    assert "head -n 1" in e.value.hint
    assert e.value.exit_code == 2


def test_a_second_writer_is_refused_with_the_holders_name(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.acquire()
    code = (
        "import sys; from pathlib import Path; from bisector.journal import Journal\n"
        "from bisector.errors import JournalError\n"
        "try: Journal(Path(sys.argv[1])).acquire()\n"
        "except JournalError as e: print(e)"
    )
    said = subprocess.check_output([sys.executable, "-c", code, str(journal.path)], text=True)
    assert f"process {os.getpid()} on " in said
    journal.release()
    assert not subprocess.check_output([sys.executable, "-c", code, str(journal.path)], text=True)
