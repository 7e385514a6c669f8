"""The summary as Markdown."""

import re
import shlex
from dataclasses import replace

import pytest
import report_sessions as rs

from bisector.model.session import Ruling
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Symptom
from bisector.report.advice import Places, Step
from bisector.report.markdown import code, escaped, markdown
from bisector.report.summary import summarise


def test_it_says_the_same_as_the_terminal_verdict_first() -> None:
    summary = summarise(rs.one_culprit().session, places=Places(report="out/report.html"))
    text = markdown(summary)
    assert text.startswith("## `focal` breaks training (99.4 % sure)")
    assert "| `everything but focal` | 0 | 2 | 0 | 0.9680 | 0.0083 |  |" in text
    assert "```sh\nrecipe.shift=on" in text
    assert "Report: `out/report.html`" in text


@pytest.mark.parametrize("script", [rs.needs_lr, rs.pair, rs.spent, rs.Script])
def test_every_table_row_has_as_many_cells_as_its_head(script: object) -> None:
    text = markdown(summarise(script().session))  # type: ignore[operator]
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


def test_a_hostile_name_cannot_leave_its_place() -> None:
    hostile = "a|b`<img src=x>\n# c"
    script = rs.Script(rs.experiment((hostile, "b")))
    rs.opening(script, rs.broke(None, Symptom.CRASH, hostile))
    script.run(Arm(rs.some(hostile)), Purpose.CONFIRM, rs.broke())
    script.conclude(Ruling.CULPRIT, rs.some(hostile), because=hostile)
    text = markdown(summarise(script.session))
    outside = re.sub(r"(?<![`\\])(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert "img src" in outside
    assert "<img" not in outside.replace(r"\<img", "")
    assert "\n# c" not in text


def test_words_are_escaped_and_code_finds_a_fence() -> None:
    assert escaped("a*b_c <d>") == r"a\*b\_c \<d\>"
    assert code("x`y") == "``x`y``"
    assert code("`") == "`` ` ``"
    assert code("a|b") == r"`a\|b`"


def test_a_long_command_is_broken_where_a_shell_would_take_it_apart() -> None:
    words = ["bisect", "run", *(f"recipe.some.long.key_{i}={{a: {i}}}" for i in range(6))]
    summary = summarise(rs.one_culprit().session)
    shown = markdown(replace(summary, steps=(Step("Again:", shlex.join(words)),)))
    block = shown.partition("```sh\n")[2].partition("\n```")[0]
    assert max(map(len, block.splitlines())) < 60
    assert shlex.split(block.replace("\\\n", "")) == words
