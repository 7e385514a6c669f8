"""Whole searches with a planted culprit, or a baseline that breaks by itself: what do they say is why?

What only further runs can show is shown here: the same `bisect run` that a user types, in a folder
of its own, on a recipe with three harmless additions. The answer is the first reason that it gives.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).resolve().parents[1] / "conf"
HARMLESS = {"tabular": ("feature_noise", "feature_mask", "nesterov"),
            "digits": ("random_shift", "dropout", "squeeze_excite")}  # fmt: skip
ALTER = "++recipe.trainer.alter."


@dataclass(frozen=True, slots=True)
class Search:
    """One search."""

    reasons: tuple[str, ...]
    """What is right to name first."""
    conf: str
    culprit: tuple[str, ...] = ()
    """The overrides of the addition that breaks it."""
    baseline: tuple[str, ...] = ()
    """Overrides of the experiment, e.g. such that break the baseline itself."""


NOISE = "+recipe.data.augment.loud={_target_: bisector.recipes.tabular.FeatureNoise, std: 12.0}"
MASK = "+recipe.data.augment.hide={_target_: bisector.recipes.tabular.FeatureMask, share: 0.999}"
CUT = "+recipe.data.augment.cut={_target_: bisector.recipes.digits.Cutout, size: 7}"

NLL = ("~recipe.loss", "+recipe.loss={_target_: torch.nn.NLLLoss}")
RPROP = ("recipe.optimizer._target_=torch.optim.Rprop", "~recipe.optimizer.weight_decay")

SEARCHES: Mapping[str, Search] = {
    "loud noise on the features": Search(("R13",), "tabular", (NOISE,)),
    "weight decay 1": Search(("R30",), "tabular", ("recipe.optimizer.weight_decay=1.0",)),
    "one batch is all": Search(
        ("R11",), "tabular", ("recipe.trainer.batch_size=379", "recipe.trainer.epochs=12")
    ),
    "targets of other samples": Search(("R04",), "tabular", (f"{ALTER}permute=true",)),
    "baseline: rate x 400": Search(("R36",), "tabular", baseline=("recipe.optimizer.lr=20.0",)),
    "nearly all features hidden": Search(("R13",), "tabular", (MASK,)),
    "labels smoothed to nothing": Search(
        ("R30", "R18"), "tabular", ("recipe.loss.label_smoothing=0.99",)
    ),
    "an eighth of an epoch": Search(("R31",), "tabular", ("recipe.trainer.epochs=0.125",)),
    "ended after an epoch": Search(
        ("R31",),
        "tabular",
        ("recipe.trainer.epochs=1", "recipe.trainer.log_every=1"),
        ("judge.min_effect=0.08",),
    ),
    "ended at half of its time": Search(
        ("R31",), "digits", ("recipe.trainer.epochs=4.5", "recipe.trainer.log_every=2")
    ),
    "scores for a loss of logarithms": Search(("R19", "R18"), "tabular", NLL),
    "a loss that is summed": Search(("R18",), "tabular", ("recipe.loss.reduction=sum",)),
    "noise in place of the inputs": Search(("R02", "R04"), "tabular", (f"{ALTER}noise=true",)),
    "baseline: weight decay 3": Search(
        ("R30", "B2"), "tabular", baseline=("recipe.optimizer.weight_decay=3.0",)
    ),
    "nearly all of an image cut": Search(("R13",), "digits", (CUT,)),
    "a single unit": Search(("R24",), "digits", ("recipe.model.width=1",)),
    "a handful of samples": Search(("R09",), "digits", (f"{ALTER}share=0.02",)),
    "Rprop on small batches": Search(("R34", "R36"), "digits", RPROP),
    "baseline: rate / 100,000": Search(
        ("R36",), "digits", baseline=("recipe.optimizer.lr=1.0e-7",)
    ),
}
"""Searches by what was planted."""


def named_by_search(folder: Path, search: Search) -> list[str]:
    """The checks, or the reasons, that a search gives for what it convicted, first to last."""
    write(folder, search)
    command = (sys.executable, "-m", "bisector", "run", "conf=planted", "--json")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    journal = folder / "out" / "planted" / "journal.jsonl"
    if not journal.exists():
        raise RuntimeError(f"no search: {done.stderr[-2000:]}")
    told = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return reasons_in(told)


def reasons_in(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """The last explanation's reasons, but for notes and what was refuted."""
    explained = [e for e in events if e["event"] == "Explained"]
    given = explained[-1]["reasons"] if explained else []
    return [
        r["finding"]["check"]
        for r in given
        if r["status"] != "refuted" and r["finding"]["severity"] != "note"
    ]


def write(folder: Path, search: Search) -> None:
    """The experiment as a file: the packaged one, with other additions."""
    conf = yaml.safe_load((CONF / f"{search.conf}.yaml").read_text(encoding="utf-8"))
    kept = {name: conf["additions"][name] for name in HARMLESS[search.conf]}
    if search.culprit:
        kept["planted"] = {"kind": "other", "overrides": list(search.culprit)}
    conf |= {"additions": kept, "name": "planted"}
    for override in search.baseline:
        path, _, value = override.partition("=")
        _set(conf, path, yaml.safe_load(value))
    (folder / "conf").mkdir()
    (folder / "conf" / "planted.yaml").write_text(yaml.safe_dump(conf, sort_keys=False))


def _set(conf: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        conf = conf.setdefault(parent, {})
    conf[name] = value
