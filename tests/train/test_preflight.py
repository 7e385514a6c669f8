"""The preflight job: what cannot be imported is named, with the nearest name that can."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def preflight(tmp_path):
    def run(*targets, function=None, path=None):
        wanted = {
            "targets": [
                {"target": t, "key": f"recipe.{i}._target_"} for i, t in enumerate(targets)
            ],
            "function": function,
        }
        (tmp_path / "preflight.json").write_text(json.dumps(wanted))
        subprocess.run(
            [sys.executable, "-m", "bisector.train.preflight"],
            env=os.environ | {"BISECT_RUN_DIR": str(tmp_path), "PYTHONPATH": str(path or tmp_path)},
            check=True,
        )
        return json.loads((tmp_path / "preflight_result.json").read_text())["errors"]

    return run


def test_what_can_be_imported_is_not_mentioned(preflight):
    assert preflight("torch.optim.SGD", "os.path.join", function="json:dumps") == []


def test_every_fault_is_named_with_its_key_and_the_nearest_name(preflight, tmp_path):
    (tmp_path / "broken_code.py").write_text("def train(:\n")
    (tmp_path / "needs_more.py").write_text("import no_such_library\n")
    faults = preflight(
        "json.Dumps",
        "json.encodr.JSONEncoder",
        "jsn.dumps",
        "needs_more.train",
        "sys.path",
        "json..dumps",
        function="broken_code:train",
    )
    seen = [(f["key"], f["nearest"]) for f in faults]
    assert seen == [
        ("recipe.0._target_", "json.dumps"),
        ("recipe.1._target_", "json.encoder.JSONEncoder"),
        ("recipe.2._target_", "json.dumps"),
        ("recipe.3._target_", None),
        ("recipe.4._target_", None),
        ("recipe.5._target_", None),
        ("workload.target", None),
    ]
    messages = [f["message"] for f in faults]
    assert messages[0] == "json has no Dumps"
    assert messages[3] == "No module named 'no_such_library'"
    assert "list, which cannot be called" in messages[4]
    assert messages[6].startswith("SyntaxError: invalid syntax")
    assert not any("\n" in m for m in messages)
