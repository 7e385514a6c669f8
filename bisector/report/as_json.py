"""The summary as plain JSON, for `--json` and for machines that read `report.json`."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from types import MappingProxyType

from bisector.report.summary import Summary

FORMAT = 1
"""Raised when a key changes its meaning or goes; new keys do not raise it."""

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "format": "version of this layout",
        "name": "the experiment",
        "ruling": "a member of `Ruling`, or null while the search goes on",
        "decided": "whether the question was answered",
        "culprits": "minimal breaking sets, each a sorted list of additions; empty while undecided; "
        "of harm that adds up, what weighs most",
        "confidence": "posterior probability of the ruling, or null",
        "sentence": "the verdict in one sentence, names in backticks",
        "paragraph": "the reasons in one paragraph",
        "reasons": "the observations it rests on, one sentence each",
        "upcoming": "the set that would have been trained next, had the budget allowed it",
        "steps": "what to do next: `text`, and `paste` where there is something to paste",
        "metric": "the measurement that decided",
        "better": "`higher` or `lower`: which way the metric improves",
        "symptom": "the failure that was followed",
        "beliefs": "explanations, likeliest first: `label`, `culprits`, `probability`, `cumulative`",
        "cleared": "additions with next to no part in any explanation",
        "dormant": "what else breaks training, and does not show: `culprit`, `rescuers`, `probability`",
        "effect": "of the accused, else of everything on, in units of the metric: `harm`, `low`, `high`, "
        "`confidence`, `worth`, ...; or null",
        "why": "why the convicted does not train: `additions`, `reasons` (`finding`, `status`, `because`, `mend`), `unlooked`",
        "attribution": "if harm adds up, or when asked for: `shares` (`addition`, `harm`, `low`, `high`, `runs`), "
        "`shapley_runs`, `shapley_seconds`, `remark`; or null",
        "arms": "the evidence: `arm`, `name`, `trials`, `seeds`, counts of outcomes, `score`, `harm`",
        "lr": "the learning-rate sweep, in the form of `arms`",
        "lr_effects": "what it says of each culprit: `effect`, `trains_at`, `tried`",
        "cost": "runs, seconds and steps spent, and saved by stopping early",
        "unjudged": "runs that say nothing: `because`, `trials`",
        "others": "failures unlike the one followed: `symptom`, `detail`, `trials`, `arms`, `counted`",
        "runs": "every judged run: `number`, `arm`, `seed`, `outcome`, `score`, `because`, and `again`, which does it once more",
        "environment": "what the search was begun in: versions, machine, commit",
        "places": "where the session, its report and its MLflow runs are",
        "version": "of the tool that opened the session",
        "fingerprint": "hash of what makes two searches the same",
    }
)


def as_json(summary: Summary) -> dict[str, object]:
    """`summary` as values that `json.dumps` takes; its keys are those of `KEYS`."""
    return {key: FORMAT if key == "format" else plain(getattr(summary, key)) for key in KEYS}


def plain(value: object) -> object:
    """`value` as JSON: sets sorted, numbers that JSON cannot hold as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    told = value
    match value:
        case Enum():
            told = value.value
        case frozenset():
            told = sorted(str(v) for v in value)
        case tuple() | list():
            told = [plain(v) for v in value]
        case Mapping():
            told = {str(k): plain(v) for k, v in value.items()}
        case float() if not isfinite(value):
            told = None
    return told
