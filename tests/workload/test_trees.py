"""Code that no commit has: any choice of files and hunks, and nothing of the user's is touched."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bisector.errors import ConfigError
from bisector.workload.hunks import hunks, lines_of, with_hunks
from bisector.workload.trees import composed, entry, exported, snapshot

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "d e\n"]), max_size=12)
TEXTS = st.tuples(LINES, st.sampled_from(["", "last", "\x0c"])).map(
    lambda t: "".join([*t[0], t[1]]).encode()
)


def git(*words: str, stdin: bytes = b"") -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], input=stdin, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits, `one` and `two`, which differ in every way in which files differ."""
    folder = tmp_path / "a repository"
    (folder / "lab").mkdir(parents=True)
    monkeypatch.chdir(folder)
    git("init", "-q")
    for name, text in (("gone.py", "1\n"), ("run.sh", "true\n"), ("ü b.py", "1\n2\n3\n4\n5\n6\n")):
        (folder / "lab" / name).write_text(text)
    (folder / "lab" / "raw").write_bytes(b"\0\1\2")
    (folder / "lab" / "link").symlink_to("run.sh")
    (folder / ".gitignore").write_text("/data\n*.so\n/home\n")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    git("tag", "one")
    (folder / "lab" / "gone.py").rename(folder / "lab" / "come.py")
    (folder / "lab" / "run.sh").chmod(0o755)
    (folder / "lab" / "raw").write_bytes(b"\0\3")
    (folder / "lab" / "link").unlink()
    (folder / "lab" / "link").symlink_to("raw")
    (folder / "lab" / "ü b.py").write_text("one\n2\n3\n4\n5\nsix\n")
    git("add", "-A")
    git("commit", "-q", "-m", "two")
    git("tag", "two")
    return folder


PIECES = ("come.py", "gone.py", "run.sh", "raw", "link", "ü b.py")


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(old=TEXTS, new=TEXTS, data=st.data())
def test_any_choice_of_hunks_is_a_file_and_all_of_them_are_the_other_version(
    repository: Path, old: bytes, new: bytes, data: st.DataObject
) -> None:
    first, second = (git("hash-object", "-w", "--stdin", stdin=text) for text in (old, new))
    found = hunks(first, second)
    assert with_hunks(old, found, ()) == old
    assert with_hunks(old, found, range(len(found))) == new
    chosen = data.draw(st.sets(st.integers(0, max(0, len(found) - 1)), max_size=len(found)))
    mixed = lines_of(with_hunks(old, found, chosen if found else ()))
    assert {line.rstrip(b"\n") for line in mixed} <= {
        line.rstrip(b"\n") for line in lines_of(old) + lines_of(new)
    }


def test_all_pieces_together_are_the_other_tree_and_none_the_first(repository: Path) -> None:
    assert composed("one", [f"two:lab/{name}" for name in PIECES]) == git("rev-parse", "two^{tree}")
    assert composed("one", []) == git("rev-parse", "one^{tree}")
    both = ["two@@0:lab/ü b.py", "two@@1:lab/ü b.py"]
    assert composed("one", both) == composed("one", ["two:lab/ü b.py"])


def test_a_folder_has_the_chosen_pieces_and_no_others(repository: Path) -> None:
    tree = composed("one", ["two:lab/gone.py", "two:lab/raw", "two@@1:lab/ü b.py"])
    folder = exported(tree, repository / "home")
    assert exported(tree, repository / "home") == folder
    assert not (folder / "lab/gone.py").exists()
    assert (folder / "lab/raw").read_bytes() == b"\0\3"
    assert (folder / "lab/ü b.py").read_text() == "1\n2\n3\n4\n5\nsix\n"
    assert (folder / "lab/link").readlink() == Path("run.sh")
    assert entry(tree, "lab/run.sh") == entry("one", "lab/run.sh")


def test_what_git_does_not_know_is_seen_within_its_folders(repository: Path) -> None:
    (repository / "lab" / "fast.so").write_text("compiled")
    (repository / "lab" / "more").mkdir()
    (repository / "lab" / "more" / "x").write_text("data")
    folder = exported(composed("one", []), repository / "home")
    assert (folder / "lab" / "fast.so").read_text() == "compiled"
    assert (folder / "lab" / "more" / "x").read_text() == "data"


def test_nothing_of_the_users_is_touched(repository: Path) -> None:
    (repository / "lab" / "come.py").write_text("changed\n")
    (repository / "lab" / "staged.py").write_text("new\n")
    git("add", "lab/staged.py")
    (repository / "lab" / "staged.py").write_text("newer\n")
    watched = (
        ("status", "--porcelain"), ("stash", "list"), ("worktree", "list"), ("ls-files", "-s"),
        ("for-each-ref",), ("rev-parse", "HEAD"),
    )  # fmt: skip
    before = [git(*words) for words in watched]
    taken = snapshot()
    exported(composed(taken, ["one:lab/gone.py"]), repository / "home")
    assert [git(*words) for words in watched] == before
    assert taken == snapshot(), "the same folder is the same commit"
    assert git("show", f"{taken}:lab/staged.py") == "newer"
    assert git("show", f"{taken}:lab/come.py") == "changed"


def test_a_folder_that_was_half_written_when_all_was_killed_is_written_anew(
    repository: Path,
) -> None:
    (repository / "home/code/.new/lab").mkdir(parents=True)
    folder = exported(composed("two", []), repository / "home")
    assert (folder / "lab" / "come.py").exists()
    assert [p.name for p in (repository / "home/code").iterdir()] == [folder.name]


def test_what_is_no_revision_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="git:nowhere is no revision"):
        composed("nowhere", [])
    with pytest.raises(ConfigError, match="git:nowhere is no revision"):
        composed("one", ["nowhere:lab/raw"])
    monkeypatch.chdir(repository.parent)
    with pytest.raises(ConfigError, match="not a git repository"):
        composed("one", [])
