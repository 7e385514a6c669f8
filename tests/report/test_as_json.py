"""The verdict as JSON: it is what its published schema says, key for key."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_sessions as rs
from jsonschema import Draft202012Validator

from bisector.model.session import Session
from bisector.report.advice import Places
from bisector.report.as_json import as_json
from bisector.report.attribution import attribution
from bisector.report.summary import summarise

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "bisector" / "report" / "verdict.schema.json").read_text())
PLACES = Places(run="bisect run conf=digits", home="out/digits")


def closed(node: Any) -> Any:
    """The schema, refusing keys that it does not name."""
    if isinstance(node, list):
        return [closed(n) for n in node]
    if not isinstance(node, dict):
        return node
    told = {k: closed(v) for k, v in node.items()}
    return told | {"additionalProperties": False} if "properties" in node else told


@pytest.mark.parametrize(
    "session",
    [
        lambda: rs.one_culprit().session,
        lambda: rs.needs_lr().session,
        lambda: rs.pair().session,
        lambda: rs.spent().session,
        lambda: rs.Script().session,
        lambda: rs.explained().session,
    ],
    ids=["culprit", "needs-lr", "interaction", "inconclusive", "nothing yet", "explained"],
)
def test_every_verdict_is_what_its_schema_says(session: Callable[[], Session]) -> None:
    found = session()
    summary = summarise(found, rs.RANKED, places=PLACES)
    told = as_json(replace(summary, attribution=attribution(found)))
    validator = Draft202012Validator(closed(SCHEMA))
    written = json.loads(json.dumps(told, allow_nan=False))
    assert not [f"{e.json_path}: {e.message}" for e in validator.iter_errors(written)]


def test_the_schema_refuses_a_verdict_with_a_key_missing_or_of_another_kind() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    told = as_json(summarise(rs.one_culprit().session))
    for broken in ({**told, "ruling": "guilty"}, {**told, "reasons": "one"}, {"format": 1}):
        assert list(Draft202012Validator(SCHEMA).iter_errors(broken))


def test_the_schema_and_its_page_are_up_to_date() -> None:
    script = ROOT / "scripts" / "make_schema.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run scripts/make_schema.py: {done.stdout}{done.stderr}"
