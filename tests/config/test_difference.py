"""Two configurations: every difference is found once, and applied all together they are gone."""

from collections.abc import Mapping
from typing import Any

from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from bisector.config.difference import Change, as_hydra, differences, grouped
from bisector.workload.config_file import patched
from bisector.workload.spelling import Spelling, spell, written

KEYS = st.sampled_from(["lr", "width", "act", "data", "name"])
LEAVES = st.sampled_from([0, 1, 0.5, True, "a", "b: c", "x y", None, [1, 2], "it's", '"', "[", "1"])
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a property takes its time."""
CONFIGS = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=4),
    lambda inner: st.dictionaries(KEYS, LEAVES | inner, max_size=4),
    max_leaves=8,
)


@PATIENT
@given(good=CONFIGS, bad=CONFIGS)
def test_all_differences_together_make_one_configuration_the_other(
    good: dict[str, Any], bad: dict[str, Any]
) -> None:
    overrides = [
        f"~{d.name}" if d.change is Change.REMOVED else written(d.name, d.bad)
        for d in differences(good, bad)
    ]
    assert patched(good, spell(overrides, Spelling.FILE).settings) == bad
    assert differences(bad, bad) == []


@settings(PATIENT, max_examples=15)
@given(good=CONFIGS, bad=CONFIGS)
@example(good={"act": [1, 2]}, bad={"act": {}})
@example(good={"act": {"a": 1}}, bad={"act": [1]})
def test_so_they_do_in_the_grammar_of_hydra(
    tmp_path_factory: Any, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("conf")
    OmegaConf.save(OmegaConf.create({"recipe": good}), folder / "good.yaml")
    overrides = [o for d in differences(good, bad) for o in as_hydra(d, "recipe.")]
    with initialize_config_dir(str(folder), version_base="1.3"):
        config = compose("good", overrides)
    assert OmegaConf.to_container(config.recipe) == bad


def shown(good: Mapping[str, Any], bad: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(d.name, str(d.change)) for d in differences(good, bad)]


def test_a_mapping_of_another_type_differs_as_a_whole() -> None:
    good = {"opt": {"name": "sgd", "lr": 0.1, "momentum": 0.9}, "net": {"w": 1, "d": 2}}
    bad = {
        "opt": {"name": "adam", "lr": 0.001, "eps": 1e-8},
        "net": {"w": 2, "d": 2, "n": {"a": 1}},
    }
    assert shown(good, bad) == [("opt", "swapped"), ("net.w", "changed"), ("net.n", "added")]


def test_numbers_that_are_equal_are_no_difference_and_a_truth_value_is_no_number() -> None:
    assert shown({"a": 1, "b": 1}, {"a": 1.0, "b": True}) == [("b", "changed")]


def test_hundreds_are_grouped_by_where_they_stand_and_few_are_not() -> None:
    good = {f"part{i}": {f"k{j}": 0 for j in range(30)} for i in range(10)}
    bad = {f"part{i}": {f"k{j}": 1 for j in range(30)} for i in range(10)}
    found = differences(good, bad)
    assert len(found) == 300
    groups = grouped(found, 64)
    assert len(groups) <= 64
    assert [d for g in groups for d in g.members] == found
    assert {d.path[0] for d in groups[-1].members} == {"part9"}
    assert [g.name for g in grouped(found[:40], 64)] == [d.name for d in found[:40]]


def test_keys_side_by_side_are_put_together_evenly() -> None:
    found = differences({f"k{i:03d}": 0 for i in range(300)}, {f"k{i:03d}": 1 for i in range(300)})
    groups = grouped(found, 64)
    assert {len(g.members) for g in groups} == {5}
    assert len({g.name for g in groups}) == 60


def test_a_part_with_too_many_keys_is_taken_apart_as_far_as_there_is_room() -> None:
    good = {"lr": 0, "many": {f"k{i}": {"a": 0, "b": 0} for i in range(120)}}
    bad = {"lr": 1, "many": {f"k{i}": {"a": 1, "b": 1} for i in range(120)}}
    found = differences(good, bad)
    groups = grouped(found, 64)
    assert 32 < len(groups) <= 64
    assert len({g.name for g in groups}) == len(groups)
    assert [d for g in groups for d in g.members] == found
