"""Turns what the probes of a run have written into facts that checks go by.

The lines are read as far as there are any, so a run that was killed tells what was seen until then.
Series are lists of looks, each a list over layers or parameters in the order of their names.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bisector.model.finding import Looked
from bisector.rundir import FACTS, OBSERVATIONS

STRONG = 1e-4
"""Of the largest gradient; a bias before batch norm has one of rounding errors alone."""

Row = Mapping[str, Any]
Facts = dict[str, Any]


def observed(rundir: Path) -> Looked:
    """The facts of a run that was watched; nothing where it was not."""
    rows = _rows(rundir / OBSERVATIONS)
    start = next((row for row in rows if row["kind"] == "start"), None)
    if start is None:
        return Looked()
    looks = [row for row in rows if row["kind"] == "look"]
    facts: dict[str, Facts] = {"passes": passes(rows), "nonfinite": nonfinite(rows)}
    absent: dict[str, str] = {}
    for name, derive in FAMILIES.items():
        found = derive(start, looks) if looks else None
        if found is None:
            absent[name] = "the run made no step" if not looks else LACKING[name]
        else:
            facts[name] = found
    if "rate" in facts:
        facts["rate"] |= _last_rate(facts["rate"], rows[-1]) | _length(rundir)
    return Looked(facts, absent)


def passes(rows: Sequence[Row]) -> Facts:
    """How often the model was run, and how often a step was made of it."""
    counted = [row for row in rows if "forwards" in row]
    last = counted[-1] if counted else {}
    moved = any(any(row.get("update_norm", [])) for row in rows)
    told = max((row.get("ticks", 0) for row in rows), default=0) if moved else 0
    return {
        "backwards": last.get("backwards", 0),
        "steps": last.get("steps", 0) or told,
        "ended": rows[-1]["kind"] == "end",
        **last.get("forwards", {}),
        "other_mode": last.get("other_mode", []),
        "sensitive": rows[0].get("modes", []),
    }


def nonfinite(rows: Sequence[Row]) -> Facts:
    """Where a value that is not finite was born, or else the first step whose loss is none."""
    met = {"met": False} | _first_loss(rows)
    traced = next((row for row in rows if row["kind"] == "nonfinite"), None)
    if traced is None or not (met["met"] or "operator" in traced):
        return met
    told = {n: v for n, v in {**met, **traced, "met": True}.items() if n not in ("kind", "because")}
    return told if "operator" in traced else {**told, "because": traced["because"]}


def _first_loss(rows: Sequence[Row]) -> Facts:
    """The first loss that is not finite."""
    done = 0
    for row in rows:
        losses = row.get("losses", [])
        bad = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if bad is not None:
            whole = row["step"] - done == len(losses)
            step = done + bad + 1 if whole else row["step"]
            return {"met": True, "step": step, "because": "no step could be done again"}
        done = row.get("step", done)
    return {}


def held(start: Row, looks: Sequence[Row]) -> Facts | None:
    """What the optimizer holds, and what of it moves."""
    names = start["parameters"]
    last = next((r for r in (*reversed(looks), start) if "handed" in r), None)
    if last is None:
        return None
    told = any(row.get("update_norm") for row in looks)
    moved = [n for n, *seen in _by_name(names, looks, "update_norm") if any(v != 0 for v in seen)]
    return {
        "parameters": names,
        "trainable": [n for n, t in zip(names, start["trainable"], strict=True) if t],
        "handed": last["handed"],
        "foreign": last["foreign"],
        "not_handed": last["not_handed"],
        "moved": moved if told else names,
        "rates": sorted({row["lr"] for row in looks if "lr" in row}),
        "decays": last.get("decays", []),
        "momentum": last.get("momentum", 0.0),
        "with_pull": _pulled(names, looks, 0.0),
        "with_strong_pull": _pulled(names, looks, STRONG),
        "looks": len(looks),
    }


def left_over(start: Row, looks: Sequence[Row]) -> Facts | None:
    """The gradient that was there before a step's own was added, beside the step's."""
    rows = [r for r in looks if r["step"] > 1 and "stale" in r]
    if not rows:
        return {"steps": [], "share": []}
    total = [math.hypot(*r["gradient_norm"]) or 1.0 for r in rows]
    share = [r["stale"][0] / t for r, t in zip(rows, total, strict=True)]
    return {"steps": [r["step"] for r in rows], "share": share}


def weights(start: Row, looks: Sequence[Row]) -> Facts:
    """Weights by parameter and look, and by how much a step moves them."""
    norms = [row["weight_norm"] for row in looks]
    updates = [row.get("update_norm", []) for row in looks]
    return {
        "parameters": start["parameters"],
        "shapes": start["shapes"],
        "steps": [row["step"] for row in looks],
        "norm": norms,
        "largest": [_largest(row["weight_bounds"]) for row in looks],
        "ratio": [[_over(u, w) for u, w in zip(us, ws, strict=False)]
                  for us, ws in zip(updates, norms, strict=True)],
    }  # fmt: skip


def gradients(start: Row, looks: Sequence[Row]) -> Facts | None:
    """The gradient of each layer's weights, as root mean square, in the order of the forward pass."""
    layers = _layers(looks)
    of = _weights_of(start, layers)
    if not of:
        return None
    sizes = [math.prod(shape) for shape in start["shapes"]]
    by_look = [_gradients(start, row, "gradient_norm") for row in looks]
    return {
        "layers": list(of),
        "steps": [row["step"] for row in looks],
        "size": [[norms[i] / math.sqrt(sizes[i]) for i in of.values()] for norms in by_look],
        "norm": [math.hypot(*norms) for norms in by_look],
    }


def activations(start: Row, looks: Sequence[Row]) -> Facts | None:
    """What each layer gives, and the share of its units that are dead or saturated."""
    layers = _layers(looks)
    if not layers:
        return None

    def series(name: str, among: str) -> list[list[float]]:
        found = [dict(zip(row.get(among, []), row.get(name, []), strict=False)) for row in looks]
        return [[row.get(layer, math.nan) for layer in layers] for row in found]

    mean, norm = series("mean", "layers"), series("norm", "layers")
    values = series("layer_values", "layers")
    return {
        "layers": layers,
        "steps": [row["step"] for row in looks],
        "mean": mean,
        "std": [[_deviation(*triple) for triple in zip(m, n, v, strict=True)]
                for m, n, v in zip(mean, norm, values, strict=True)],
        "dead": series("dead", "dead_in"),
        "saturated": series("saturated", "saturated_in"),
    }  # fmt: skip


def batch_norms(start: Row, looks: Sequence[Row]) -> Facts | None:
    """How far running statistics are from the batch's, in deviations, and the ratio of variances."""
    rows = [row for row in looks if row.get("batch_norms")]
    if not rows:
        return None
    return {
        "layers": rows[-1]["batch_norms"],
        "steps": [row["step"] for row in rows],
        "shift": [row["batch_norm_shift"] for row in rows],
        "scale": [row["batch_norm_scale"] for row in rows],
    }


def terms(start: Row, looks: Sequence[Row]) -> Facts | None:
    """The share of each of the loss's terms in the gradient."""
    rows = [row for row in looks if row.get("terms")]
    if not rows:
        return None
    names = rows[0]["terms"]
    rows = [row for row in rows if row["terms"] == names]
    return {
        "names": names,
        "steps": [row["step"] for row in rows],
        "share": [[_over(g, sum(row["term_gradient"])) for g in row["term_gradient"]]
                  for row in rows],
    }  # fmt: skip


def loss(start: Row, looks: Sequence[Row]) -> Facts | None:
    """Which operation squashed what the loss squashes again; empty: none."""
    rows = [row["squashed"] for row in looks if "squashed" in row]
    return {"squashed": next(filter(None, rows), [])} if rows else None


def targets(start: Row, looks: Sequence[Row]) -> Facts | None:
    """A few of the targets that the loss was given, by look."""
    rows = [row for row in looks if row.get("targets")]
    if not rows:
        return None
    return {"steps": [row["step"] for row in rows], "first": [row["targets"] for row in rows]}


def entering(start: Row, looks: Sequence[Row]) -> Facts | None:
    """What the model was called with, by look: see `bisector.train.probes.entering`."""
    rows = [row for row in looks if row.get("entering")]
    if not rows:
        return None
    names = ("mean", "size", "zero", "between", "within")
    columns = zip(*(row["entering"] for row in rows), strict=True)
    of = rows[0].get("entering_of", 0)
    return {"steps": [row["step"] for row in rows], "values": of} | {
        name: list(column) for name, column in zip(names, columns, strict=True)
    }


def rate(start: Row, looks: Sequence[Row]) -> Facts | None:
    """The learning rate by step, and how often it turned round from one step to the next."""
    looks = [row for row in looks if "lr" in row]
    if not looks:
        return None
    turns = looks[-1].get("turns", 0)
    return {"steps": [r["step"] for r in looks], "lr": [r["lr"] for r in looks], "turns": turns}


def _last_rate(rate: Facts, end: Row) -> Facts:
    """The series of rates with that of the run's last step, which the last look may be far from."""
    if not end.get("lr") or end["kind"] != "end" or end["step"] <= rate["steps"][-1]:
        return {}
    return {"steps": [*rate["steps"], end["step"]], "lr": [*rate["lr"], end["lr"]]}


def made(start: Row, looks: Sequence[Row]) -> Facts:
    """Parameters used in the forward pass that the model does not hold."""
    places: dict[str, bool] = {}
    for row in looks[1:]:
        places |= row.get("foreign_parameters", {})
    return {
        "fresh": [place for place, fresh in places.items() if fresh],
        "outside": [place for place, fresh in places.items() if not fresh],
    }


FAMILIES: Mapping[str, Callable[[Row, Sequence[Row]], Facts | None]] = {
    "held": held,
    "left_over": left_over,
    "made": made,
    "entering": entering,
    "rate": rate,
    "run_terms": terms,
    "run_loss": loss,
    "run_targets": targets,
    "run_weights": weights,
    "run_gradients": gradients,
    "run_activations": activations,
    "run_norms": batch_norms,
}
LACKING = {
    "entering": "the model is called with something else than a batch of samples",
    "held": "no optimizer was seen",
    "rate": "no optimizer was seen",
    "run_terms": "the loss is not a sum of terms",
    "run_loss": "no backward pass from a loss was seen",
    "run_targets": "the loss is none of torch's, or is given no targets",
    "run_gradients": "no layer with weights gives one tensor",
    "run_activations": "no layer with weights gives one tensor",
    "run_norms": "it has no batch norm that keeps statistics",
}


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    # What follows the last newline is still being written.
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def _length(rundir: Path) -> Facts:
    """How many steps are planned, and how many make an epoch; 0: nobody said so."""
    path = rundir / FACTS
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        "planned": int(known.get("planned_steps", 0)),
        "per_epoch": int(known.get("per_epoch", 0)),
    }


def _layers(looks: Sequence[Row]) -> list[str]:
    """The layers in the order in which they ran last."""
    return list(looks[-1].get("layers", []))


def _weights_of(start: Row, layers: Sequence[str]) -> dict[str, int]:
    """Layer to the number of its largest matrix."""
    shapes = list(zip(start["parameters"], start["shapes"], strict=True))
    found = {}
    for layer in layers:
        own = [(math.prod(s), i) for i, (n, s) in enumerate(shapes)
               if n.rpartition(".")[0] == layer and len(s) > 1]  # fmt: skip
        if own:
            found[layer] = max(own)[1]
    return found


def _gradients(start: Row, row: Row, name: str) -> list[float]:
    """A number for each parameter's gradient; zero where there is none."""
    count = len(start["parameters"])
    found = dict(zip(row.get("with_gradient", range(count)), row[name], strict=False))
    return [found.get(i, 0.0) for i in range(count)]


def _by_name(names: Sequence[str], looks: Sequence[Row], name: str) -> list[tuple[Any, ...]]:
    rows = [row[name] for row in looks if len(row.get(name, [])) == len(names)]
    return [(n, *(row[i] for row in rows)) for i, n in enumerate(names)]


def _pulled(names: Sequence[str], looks: Sequence[Row], share: float) -> list[str]:
    """The parameters whose gradient is, at some look, more than such a share of the largest."""
    found = set()
    for row in looks:
        norms = dict(zip(row.get("with_gradient", range(len(names))), row["gradient_norm"], strict=False))  # fmt: skip
        least = share * max(norms.values(), default=0.0)
        found |= {names[i] for i, g in norms.items() if not g <= least}
    return [n for n in names if n in found]


def _largest(bounds: Sequence[float]) -> list[float]:
    return [max(abs(low), abs(high)) for low, high in zip(bounds[::2], bounds[1::2], strict=True)]


def _over(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _deviation(mean: float, norm: float, values: float) -> float:
    """From mean and norm of so many values; rounding may leave a little less than nothing."""
    variance = norm**2 / values - mean**2 if values else math.nan
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.nan
