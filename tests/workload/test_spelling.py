"""Every value arrives as it was meant, in every dialect, with and without a shell between."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bisector.errors import ConfigError
from bisector.workload import config_file
from bisector.workload.options import names_in, number_of, scaled, without
from bisector.workload.spelling import Spelling, setting_of, spell, value_of, written
from bisector.workload.template import filled

UGLY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a property takes its time."""
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | UGLY, lambda v: st.lists(v, max_size=3) | st.dictionaries(UGLY, v, max_size=3)
)


def parsed(words: tuple[str, ...]) -> dict[str, object]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--note")
    parser.add_argument("--sizes", nargs="+", type=int)
    parser.add_argument("--ema", action=argparse.BooleanOptionalAction)
    return vars(parser.parse_args(list(words)))


@pytest.mark.parametrize("spelling", [Spelling.ARGPARSE, Spelling.ARGPARSE_EQUALS])
@PATIENT
@given(value=UGLY)
def test_argparse_gets_any_text_as_it_is(spelling: Spelling, value: str) -> None:
    assume(value != "--")  # which argparse takes for the end of options, even in --note=--
    assert parsed(spell([written("note", value)], spelling).words)["note"] == value


def test_argparse_gets_flags_their_opposites_and_lists() -> None:
    words = spell(["ema=true", "sizes=[1, 2]", "--note=x y"], Spelling.ARGPARSE).words
    assert parsed(words) == {"ema": True, "sizes": [1, 2], "note": "x y"}
    assert parsed(spell(["ema=false"], Spelling.ARGPARSE).words)["ema"] is False


def test_a_number_is_passed_on_in_the_users_own_digits() -> None:
    assert spell(["lr=3e-4"], Spelling.ARGPARSE).words == ("--lr", "3e-4")
    assert spell(["shift=-0.5"], Spelling.ARGPARSE).words == ("--shift=-0.5",)


@pytest.mark.parametrize("spelling", Spelling)
def test_what_begins_with_a_dash_is_passed_on_as_it_is(spelling: Spelling) -> None:
    assert spell(["--a", "-b=1"], spelling).words == ("--a", "-b=1")
    assert spell(["--mixup '0.8 x'"], spelling).words == ("--mixup", "0.8 x")


@PATIENT
@given(value=UGLY)
def test_a_variable_and_a_key_value_pair_get_any_text_as_it_is(value: str) -> None:
    override = written("NOTE", value)
    assert spell([override], Spelling.ENVIRONMENT).env == {"NOTE": value}
    assert spell([override], Spelling.KEY_VALUE).words == (f"NOTE={value}",)


def test_hydra_gets_its_own_grammar_untouched() -> None:
    words = ("+a.b=1", "~c", "group=x", "k=[1,2]")
    assert spell(words, Spelling.HYDRA).words == words


def test_what_a_dialect_cannot_say_is_refused() -> None:
    with pytest.raises(ConfigError, match="no words for"):
        spell(["~lr"], Spelling.KEY_VALUE)
    with pytest.raises(ConfigError, match="neither key=value"):
        spell(["lr"], Spelling.ARGPARSE)


@PATIENT
@given(value=VALUES)
def test_a_value_that_is_written_as_an_override_is_read_as_the_same(value: object) -> None:
    setting = setting_of(written("a.b", value))
    assert setting.key == "a.b"
    assert value_of(setting.value or "") == value


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".toml"])
def test_a_copy_of_a_configuration_file_has_the_settings(tmp_path: Path, suffix: str) -> None:
    document = {"model": {"width": 8, "act": "relu"}, "lr": 0.1, "a.b": 1}
    overrides = ["model.width=16", "++model.depth=[1, 2]", "~model.act", "a.b=x: {y", "new.key=1"]
    settings_ = spell(overrides, Spelling.FILE).settings
    path = tmp_path / f"settings{suffix}"
    config_file.write(path, config_file.patched(document, settings_))
    assert config_file.read(path) == {
        "model": {"width": 16, "depth": [1, 2]},
        "lr": 0.1,
        "a.b": "x: {y",
        "new": {"key": 1},
    }
    assert document["model"] == {"width": 8, "act": "relu"}


@settings(PATIENT, max_examples=12)
@given(values=st.lists(UGLY.filter(bool), min_size=1, max_size=4), folder=UGLY)
def test_words_reach_a_program_whole_with_and_without_a_shell(
    values: list[str], folder: str
) -> None:
    # Surrogates aside, an argument may be anything that has no NUL and that the locale can write.
    tell = "import json, sys; print(json.dumps(sys.argv[1:]))"
    words = {"rundir": folder, "python": sys.executable}
    bare = filled(["{python}", "-c", tell, "{overrides}", "--in={rundir}"], words, values)
    script = "'{python}' -c \"$0\" {overrides} --in={rundir}".replace("'{python}'", "{python}")
    shell = filled(["sh", "-c", script, tell], words, values)
    for argv in (bare, shell):
        told = json.loads(subprocess.check_output(argv))
        assert told == [*values, f"--in={folder}"]


def test_an_option_is_found_scaled_and_taken_out_where_it_stands() -> None:
    argv = ["train.py", "--lr", "3e-4", "--sizes", "1", "-2", "--ema", "x=0.5", "{overrides}"]
    assert (number_of(argv, "lr"), number_of(argv, "--lr"), number_of(argv, "x")) == (3e-4, 3e-4, 0.5)  # fmt: skip
    assert scaled(argv, "--lr", 10)[2] == "0.003"
    assert scaled([*argv, "--lr=1"], "lr", 0.1)[-1] == "--lr=0.1"
    assert scaled(argv, "wd", 10) is None
    assert without(argv, "--sizes") == ["train.py", "--lr", "3e-4", "--ema", "x=0.5", "{overrides}"]
    assert without(["a", "--b", "1", "{overrides}"], "--b") == ["a", "{overrides}"]
    assert names_in(["--no-ema", "3", "a.b=1", "+c=2", "-v"]) == ["--ema", "a.b", "c", "-v"]
    assert names_in(["--set", "a=1", "-o", "+b=2", "--override=c=3"]) == [
        "--set a",
        "-o b",
        "--override c",
    ]
    assert names_in(["--set", "1", "-s", "--opts"]) == ["--set", "-s", "--opts"]
