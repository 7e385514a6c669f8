"""The tutorial is true: its files are written, its commands typed in order, its output met."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
FILES = re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL)
CONSOLE = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
COMMAND = re.compile(r"\$ ((?:.*\\\n)*.*)\n")


def masked(line: str) -> str:
    """A line without its numbers, which differ a little between machines."""
    return re.sub(r"[0-9]+([.,e+-]+[0-9]+)*", "#", line).rstrip()


def missing(shown: Sequence[str], said: Sequence[str]) -> list[str]:
    """The shown lines that are not among the said ones, in this order; `...` stands for any."""
    rest = iter([masked(line) for line in said])
    return [line for line in shown if line != "..." and masked(line) not in rest]


def test_lines_are_looked_for_in_order() -> None:
    assert missing(["a 1", "...", "c"], ["a 2.5", "b", "c"]) == []
    assert missing(["c", "a 1"], ["a 2.5", "b", "c"]) == ["a 1"]


def test_the_tutorial_has_files_and_commands() -> None:
    assert [name for name, _ in FILES] == ["train.py", "study.py", "conf/study.yaml"]
    assert len(CONSOLE) == 7
    assert all(COMMAND.match(block) for block in CONSOLE)


@pytest.mark.slow
def test_its_commands_say_what_it_shows(tmp_path: Path) -> None:
    for name, text in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in CONSOLE:
        found = COMMAND.match(block)
        assert found
        done = subprocess.run(
            ["sh", "-c", found[1]], cwd=tmp_path, env=os.environ | {"PATH": path, "COLUMNS": "80"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), found[1] + done.stderr
        shown = block[found.end() :].splitlines()
        assert not missing(shown, done.stdout.splitlines()), f"{found[1]}\n{done.stdout}"
