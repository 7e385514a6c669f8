"""The nearest libraries that look at a training before it runs, each behind one function.

They are installed, pinned, into a folder of their own, which is searched after everything that
is there already: what bisect itself runs on stays as it is. A library that does not install or
import here is a row that says so.
"""

import importlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from bisector.train.batches import training_batches
from bisector.train.parts import Parts

USERS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What a library, or the faulty recipe in it, may raise: then that is what it says."""
AUDITED: dict[str, dict[str, Any]] = {
    # In this process: a child forked beside torch's threads hangs.
    "label": {"clean_learning_kwargs": {"find_label_issues_kwargs": {"n_jobs": 1}}},
    **{kind: {} for kind in ("outlier", "near_duplicate", "non_iid", "class_imbalance", "null")},
}
"""What cleanlab's Datalab looks for."""
FLAGGED = 0.02
"""A library that flags samples is taken to raise an alarm where it flags more than this share."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library, what it takes to install it, and how it is asked."""

    name: str
    module: str
    requirements: tuple[str, ...]
    """Without their dependencies, so that they cannot replace what is installed."""
    look: Callable[[Parts], list[str]]
    """The names of its alarms, the first first."""
    answers: Mapping[str, str]
    """An alarm to the reasons that it may stand for, generously: `R19 R25`."""

    def names(self, alarm: str, reason: str) -> bool:
        """Whether an alarm names a reason."""
        return reason in self.answers.get(alarm, "").split()

    def install(self, folder: Path) -> str:
        """Make it importable; in one line why it is not, or nothing."""
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        if self._imported():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-input", "--no-deps"]
            done = subprocess.run(
                [*pip, "--target", str(folder), *self.requirements],
                capture_output=True, text=True, check=False, timeout=300,
            )  # fmt: skip
            if done.returncode:
                return f"does not install: {done.stderr.strip().splitlines()[-1][:120]}"
        why = self._imported()
        return f"does not import beside {', '.join(_pins())}: {why}"[:160] if why else ""

    def _imported(self) -> str:
        """Why it cannot be imported, or nothing."""
        importlib.invalidate_caches()
        try:
            importlib.import_module(self.module)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            return str(error) or type(error).__name__
        return ""


def _pins() -> Iterator[str]:
    for name in ("torch", "pandas", "sklearn"):
        yield f"{name} {importlib.import_module(name).__version__}"


def first_batch(parts: Parts) -> tuple[torch.Tensor, torch.Tensor]:
    """The batch that the training would begin with."""
    return next(iter(training_batches(parts.data.train, parts.order, workers=0)))


def whole(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """A data set as a table of numbers [N, F], and its targets."""
    x, y = zip(*(dataset[i] for i in range(len(dataset))), strict=True)
    return torch.stack(x).flatten(1).double().numpy(), torch.stack(y).numpy()


def torchtest2(parts: Parts) -> list[str]:
    """`check_model`: what fails, then what it warns of."""
    x, y = first_batch(parts)
    check = importlib.import_module("torchtest2").check_model
    report = check(parts.model, x, y, loss_fn=parts.loss, optimizer=parts.optimizer)
    return [r.name for r in (*report.failures, *report.warnings)]


def torcheck(parts: Parts) -> list[str]:
    """Four steps under its registered checks: parameters that change, nothing that is NaN."""
    torcheck = importlib.import_module("torcheck")
    torcheck.register(parts.optimizer)
    torcheck.add_module_changing_check(parts.model, module_name="model")
    torcheck.add_module_nan_check(parts.model)
    torcheck.add_module_inf_check(parts.model)
    try:
        _steps(parts, 4)
    except RuntimeError as error:
        return [alarm for alarm in ("change", "NaN", "inf") if alarm in str(error)] or ["raised"]
    finally:
        torcheck.disable()
        torcheck.unregister_all() if hasattr(torcheck, "unregister_all") else None
    return []


def _steps(parts: Parts, count: int) -> None:
    batches = iter(training_batches(parts.data.train, parts.order, workers=0))
    for _ in range(count):
        x, y = next(batches)
        parts.optimizer.zero_grad()
        parts.loss(parts.model(x), y).mean().backward()
        parts.optimizer.step()


def tinytorchtest(parts: Parts) -> list[str]:
    """Its assertions one by one: parameters change, nothing is NaN or infinite."""
    library = importlib.import_module("tinytorchtest")
    test = library.TinyTorchTest(
        parts.model, parts.loss, parts.optimizer, first_batch(parts), seed=0
    )
    return [name for name, call in _assertions(test) if _fails(call)]


def _assertions(test: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "vars_change", lambda: test.test(test_vars_change=True)
    yield "nan", lambda: test.test(test_nan_vals=True)
    yield "inf", lambda: test.test(test_inf_vals=True)


def _fails(call: Callable[[], Any]) -> bool:
    try:
        call()
    except Exception:  # noqa: BLE001 - its exceptions share no other base
        return True
    return False


def datalab(parts: Parts) -> list[str]:
    """The audit of cleanlab of the training set: kinds of issue by the share of samples flagged."""
    x, y = whole(parts.data.train)
    if y.ndim > 1 or y.dtype.kind != "i":
        return []
    lab = importlib.import_module("cleanlab.datalab.datalab").Datalab(
        {"y": y}, label_name="y", verbosity=0
    )
    p = cross_val_predict(KNeighborsClassifier(10), np.nan_to_num(x), y, method="predict_proba")
    with redirect_stdout(io.StringIO()):
        lab.find_issues(features=x, pred_probs=p, issue_types=AUDITED)
    summary = lab.get_issue_summary().sort_values("num_issues", ascending=False)
    return [
        str(kind)
        for kind, flagged in zip(summary["issue_type"], summary["num_issues"], strict=True)
        if flagged > FLAGGED * len(y) or (kind == "non_iid" and flagged)
    ]


def deepchecks(parts: Parts) -> list[str]:
    """The suites for data integrity and for the split: conditions that fail."""
    tabular = importlib.import_module("deepchecks.tabular")
    suites = importlib.import_module("deepchecks.tabular.suites")
    pandas = importlib.import_module("pandas")
    sets = []
    for split in (parts.data.train, parts.data.val):
        x, y = whole(split)
        frame = pandas.DataFrame(x, columns=[str(i) for i in range(x.shape[1])])
        sets.append(tabular.Dataset(frame, label=pandas.Series(y, name="y"), cat_features=[]))
    alarms = []
    for result in (suites.data_integrity().run(sets[0]), suites.train_test_validation().run(*sets)):
        alarms += [type(r.check).__name__ for r in result.get_not_passed_checks()]
    return alarms


LIBRARIES = (
    Library(
        "torchtest2 0.1.0",
        "torchtest2",
        ("torchtest2==0.1.0",),
        torchtest2,
        {
            "forward": "R25 R19 R37 R15",
            "output_finite": "R37 R01 R28",
            "output_varies": "R28 R23 R01",
            "loss": "R19 R37 R01",
            "initial_loss": "R17 R28 R18 R19",
            "optimizer_coverage": "R23",
            "gradient_flow": "R23 R28",
            "gradient_magnitude": "R35 R28 R18 R12",
            "params_change": "R23",
            "frozen_params": "R23",
            "input_dependency": "R23 R28",
            "batch_independence": "R25",
            "overfit_batch": "R18 R19 R26 R27 R28",
            "gradcheck": "R26",
        },
    ),
    Library(
        "torcheck 1.0.1",
        "torcheck",
        ("torcheck==1.0.1",),
        torcheck,
        {"change": "R23 R28", "NaN": "R37 R01", "inf": "R37 R01"},
    ),
    Library(
        "tinytorchtest 1.2.3",
        "tinytorchtest",
        ("tinytorchtest==1.2.3",),
        tinytorchtest,
        {"vars_change": "R23 R28", "nan": "R37 R01", "inf": "R37 R01"},
    ),
    Library(
        "cleanlab's Datalab",
        "cleanlab.datalab.datalab",
        ("datasets==5.2.0", "dill", "xxhash", "multiprocess", "fsspec", "huggingface_hub"),
        datalab,
        {
            "label": "R06 R04",
            "outlier": "R01",
            "near_duplicate": "R01",
            "non_iid": "R07",
            "class_imbalance": "R08",
            "null": "R01",
        },
    ),
    Library(
        "deepchecks 0.19.1",
        "deepchecks.tabular",
        (
            "deepchecks==0.19.1", "jsonpickle", "beautifulsoup4", "soupsieve", "ipywidgets",
            "widgetsnbextension", "jupyterlab_widgets", "comm", "traitlets", "ipython", "PyNomaly",
            "category-encoders", "plotly", "statsmodels", "patsy", "decorator", "pexpect",
            "stack_data", "jedi", "prompt_toolkit", "pygments", "matplotlib-inline", "wcwidth",
            "asttokens", "executing", "pure_eval", "parso", "ptyprocess", "narwhals",
            "ipykernel", "jupyter_client", "jupyter_core", "tornado", "pyzmq", "nest_asyncio",
            "platformdirs", "debugpy", "setuptools==80.9.0",
        ),
        deepchecks,
        {
            "IsSingleValue": "R01",
            "MixedNulls": "R01",
            "PercentOfNulls": "R01",
            "DataDuplicates": "R01",
            "OutlierSampleDetection": "R01",
            "ConflictingLabels": "R06",
            "ClassImbalance": "R08",
            "TrainTestSamplesMix": "R15",
            "FeatureDrift": "R15",
            "MultivariateDrift": "R15",
            "LabelDrift": "R15",
            "NewLabelTrainTest": "R15",
        },
    ),
)  # fmt: skip
"""In the order in which they are asked."""
