"""What one trial is in MLflow's terms: parameters, tags, final metrics and a status.

Pure: a function of the session and of the trial's resolved configuration. MLflow's
limits on names and lengths are kept here, so that no run is refused for them.
"""

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

from bisector.model.experiment import Experiment
from bisector.model.session import Judged, Session
from bisector.model.trial import Arm, Trial
from bisector.model.verdict import Outcome, Symptom, Verdict
from bisector.report.wording import clean, cut

T = TypeVar("T")

KEY, PARAM, TAG = 250, 6000, 5000
"""Longest name, parameter value and tag value that every MLflow since 3.0 takes."""
DELTA = "final/delta_vs_base"
"""How much better than the baseline's mean: negative is worse, whichever way the metric improves."""
P_BROKEN = "final/p_broken"
"""Unlike the others, every judged run has it: what views are sorted by."""

_FORBIDDEN = re.compile(r"[^/\w.\- :]")
_FAILED = {Symptom.CRASH, Symptom.OUT_OF_MEMORY}
_SECRET = re.compile(
    r"(^|_)(password|passwd|secret|token|(api|access|private)_?key)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Data:
    """What a run is trained on, as far as its configuration says."""

    name: str
    digest: str
    """Differs when the configuration of the data source does."""
    source: str


def concealed(node: object) -> object:
    """The configuration without the words that look like secrets: a store has many readers."""
    if isinstance(node, Mapping):
        return {
            k: "(concealed)" if isinstance(v, str) and _SECRET.search(str(k)) else concealed(v)
            for k, v in node.items()
        }
    return [concealed(v) for v in node] if isinstance(node, list) else node


def data_of(config: object) -> Data | None:
    """The first thing with a `_target_` below `data` or `dataset`; None: the recipe has none."""
    places = config if isinstance(config, Mapping) else {}
    node = _first_target(places.get("data", places.get("dataset")))
    if node is None:
        return None
    told = json.dumps(node, sort_keys=True, default=str)
    target = str(node["_target_"])
    digest = hashlib.sha256(told.encode()).hexdigest()[:8]
    return Data(target.rpartition(".")[2], digest, cut(told, TAG))


def params(experiment: Experiment, trial: Trial, config: object) -> dict[str, str]:
    """The additions, the multiplier, the seed, and the resolved recipe `config`, flattened."""
    on = trial.arm.additions
    own = {f"add.{a.name}": str(a.name in on).lower() for a in experiment.additions}
    own |= {"lr_scale": f"{trial.arm.lr_scale:g}", "seed": str(trial.seed)}
    told = {**own, **dict(_flat(config, "")), **own}
    return {metric_key(k): cut(v, PARAM) for k, v in told.items()}


def launch_tags(trial: Trial, arm: str) -> dict[str, str]:
    """What is known of a trial before it runs; `arm` is the arm in a few words."""
    return {
        "purpose": trial.purpose.value,
        "arm": arm,
        "seed": str(trial.seed),
        "outcome": "running",
    }


def verdict_tags(verdict: Verdict) -> dict[str, str]:
    """What is known of it once it is judged."""
    symptom = verdict.signature.symptom.value if verdict.signature else "none"
    detail = verdict.signature.detail if verdict.signature else ""
    told = {
        "outcome": verdict.outcome.value,
        "symptom": symptom,
        "failure": cut(clean(detail), TAG),
        "because": cut(clean(verdict.because), TAG),
        "ended": "early" if verdict.early else "by itself",
    }
    return {k: v for k, v in told.items() if v}


def final_metrics(event: Judged) -> dict[str, float]:
    """A judged trial in numbers."""
    verdict = event.verdict
    told = {
        P_BROKEN: verdict.p_broken,
        "final/seconds": event.seconds,
        "final/steps": float(verdict.steps),
    }
    if verdict.score is not None and math.isfinite(verdict.score):
        told["final/score"] = verdict.score
    return {k: _legible(v) for k, v in told.items()}


def baseline_mean(session: Session) -> float | None:
    """The deciding metric of the baseline: its healthy runs' mean, else that of all."""
    runs = session.runs(Arm())
    healthy = [e for e in runs if e.verdict.outcome is Outcome.HEALTHY]
    scores = [e.verdict.score for e in healthy or runs]
    finite = [s for s in scores if s is not None and math.isfinite(s)]
    return fmean(finite) if finite else None


def delta(experiment: Experiment, event: Judged, base: float | None) -> float | None:
    """The value of `DELTA`; None where there is nothing to compare."""
    score = event.verdict.score
    if score is None or base is None or not math.isfinite(score):
        return None
    return _legible(-experiment.metric.harm(score, base))


def status(verdict: Verdict) -> str:
    """MLflow's word for how the process ended; whether it was any good is the outcome's tag."""
    symptom = verdict.signature.symptom if verdict.signature else None
    if symptom in _FAILED:
        return "FAILED"
    if symptom is Symptom.TIMEOUT or verdict.outcome is Outcome.UNRESOLVED:
        return "KILLED"
    return "FINISHED"


def batches(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`rows` in pieces of at most `size`."""
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


def metric_key(name: str) -> str:
    """`name` as MLflow takes it for a metric or a parameter."""
    path = posixpath.normpath(_FORBIDDEN.sub("_", name)).lstrip("/.").strip()
    return path[:KEY].rstrip("/") or "_"


def _first_target(node: object) -> Mapping[Any, Any] | None:
    if not isinstance(node, Mapping):
        return None
    if "_target_" in node:
        return node
    return next(filter(None, map(_first_target, node.values())), None)


def _legible(value: float) -> float:
    """As many digits as fit into a column of the pages."""
    return float(f"{value:.5g}")


def _flat(node: object, path: str) -> Iterator[tuple[str, str]]:
    """Every leaf below a node, by its dotted path; a list is one leaf."""
    if isinstance(node, Mapping) and node:
        for key, child in node.items():
            yield from _flat(child, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, node if isinstance(node, str) else json.dumps(node, default=str)
