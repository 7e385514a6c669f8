"""Losses and layers by themselves: in a test suite, from the shell, and as the documentation says."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from check_gallery import Chars, Halved, LossOf, Recurrent
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it

from bisector.testing.properties import check_loss, check_module

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "test-your-losses-and-layers.md"
BISECT = (sys.executable, "-m", "bisector", "check")
PARTS = """
import torch
from torch import nn


class FocalLoss(nn.Module):
    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, out, y):
        log_p = out.log_softmax(1).gather(1, y[:, None])
        return -((1 - log_p.exp()) ** self.gamma * log_p).mean()


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x):
        return x + torch.relu(self.norm(self.conv(x)))
"""

HEALTHY_LOSSES: list[Any] = [
    nn.CrossEntropyLoss(label_smoothing=0.1),
    nn.NLLLoss(),
    nn.BCEWithLogitsLoss(),
    nn.BCELoss(),
    nn.MSELoss(),
    nn.HuberLoss(),
    F.l1_loss,
]
SICK_LOSSES: list[tuple[str, Any]] = [
    (
        "R18a",
        lambda out, y: (
            -((log_p := out.log_softmax(1)) * log_p.exp() ** 2 * F.one_hot(y, 7)).sum(1).mean()
        ),
    ),
    ("R18a", lambda out, y: -F.cross_entropy(out, y)),
    ("R18a", lambda out, y: (out - y).mean()),
    ("R18b", nn.CrossEntropyLoss(reduction="sum")),
    ("R18c", lambda out, y: F.nll_loss(out.softmax(1).log(), y)),
    ("R18d", lambda out, y: -(y * out.sigmoid().clamp_min(1e-7).log()).mean()),
    ("R19a", lambda out, y: F.cross_entropy(out.softmax(1), y)),
    ("R19d", lambda out, y: (out[:, None] - y).pow(2).mean() if out.ndim == 1 else 1 / 0),
    ("R26", lambda out, y: F.mse_loss(Halved.apply(out), y)),
]


class Permuted(nn.Module):
    """Cuts the memory anew where axes were meant to move."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.view(x.shape[1], x.shape[0], -1)).transpose(0, 1)


class Unsaved(nn.Module):
    """Holds a tensor that no checkpoint knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.mask = nn.Linear(5, 5), torch.rand(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.mask


def through_a_new_layer(h: Tensor) -> Tensor:
    layer = nn.Linear(5, 5)
    return layer(h)


class Made(nn.Module):
    """A linear layer with something done to what it gives."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(5, 5), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.linear(x))


HEALTHY_MODULES: list[tuple[Any, list[int], int | None]] = [
    (lambda: nn.Linear(5, 3), [7, 5], None),
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), [8, 3, 11, 13], None),
    (lambda: nn.TransformerEncoderLayer(12, 3, 24, batch_first=True), [7, 11, 12], None),
    (lambda: nn.GRU(5, 8, batch_first=True), [7, 11, 5], None),
    (lambda: Recurrent(tokens=50), [7, 11], 50),
    (Chars, [7, 11], 128),
]
SICK_MODULES: list[tuple[str, Any, list[int]]] = [
    ("R25a", Permuted, [7, 11, 5]),
    ("R25a", lambda: nn.GRU(5, 8), [7, 11, 5]),
    ("R25a", lambda: Made(lambda h: h.softmax(0)), [7, 5]),
    ("R22b", lambda: Made(through_a_new_layer), [7, 5]),
    ("R22c", Unsaved, [7, 5]),
    ("R32b", lambda: Made(F.dropout), [7, 5]),
    ("R23a", lambda: Made(torch.Tensor.detach), [7, 5]),
    ("R26", lambda: Made(Halved.apply), [7, 5]),
    ("R37", lambda: Made(torch.log), [7, 5]),
]


@pytest.mark.parametrize("loss", HEALTHY_LOSSES)
def test_a_standard_loss_is_a_loss(loss: Any) -> None:
    check_loss(loss)


@pytest.mark.parametrize(("expected", "loss"), SICK_LOSSES)
def test_what_is_wrong_with_a_loss_is_said_first(expected: str, loss: Any) -> None:
    with pytest.raises(AssertionError) as raised:
        check_loss(loss if isinstance(loss, nn.Module) else LossOf(loss))
    assert str(raised.value).split()[0] == expected


@pytest.mark.parametrize(("make", "shape", "tokens"), HEALTHY_MODULES)
def test_a_standard_layer_is_sound(make: Any, shape: list[int], tokens: int | None) -> None:
    check_module(make, input=shape, tokens=tokens)


@pytest.mark.parametrize(("expected", "make", "shape"), SICK_MODULES)
def test_what_is_wrong_with_a_layer_is_said_first(expected: str, make: Any, shape: Any) -> None:
    with pytest.raises(AssertionError) as raised:
        check_module(make, input=shape)
    assert str(raised.value).split()[0] == expected


def test_a_module_that_exists_is_looked_at_and_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Dropout(0.1))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    check_module(module, input=[7, 5])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training


def test_what_is_skipped_is_not_held_against_it() -> None:
    with pytest.raises(AssertionError, match="R18b"):
        check_loss(nn.MSELoss(reduction="sum"))
    check_loss(nn.MSELoss(reduction="sum"), skip=["R18b"])
    check_loss(nn.MSELoss(reduction="sum"), thresholds={"R18b": {"change": 2.0}})


def test_an_input_that_does_not_fit_is_told_in_one_line() -> None:
    with pytest.raises(AssertionError, match=r"Linear does not take an input of shape \[7, 4\]"):
        check_module(nn.Linear(5, 5), input=[7, 4])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package that the documentation speaks of."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "mylab").mkdir()
    (folder / "mylab" / "__init__.py").touch()
    (folder / "mylab" / "parts.py").write_text(PARTS, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_commands_and_the_suite_of_the_documentation_do_as_it_says(lab: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = re.findall(r"^\$ bisect check (.+)\n(.+)$", page, re.MULTILINE)
    assert len(told) == 2
    for words, answer in told:
        done = ran(*words.split(), cwd=lab)
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, answer), done.stderr
    suite = next(b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def test" in b)
    (lab / "test_parts.py").write_text(suite, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_parts.py"]
    done = subprocess.run(command, cwd=lab, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout


WRONG = {
    "loss=mylab.parts.FocallLoss": "mylab.parts has no FocallLoss",
    "module=mylab.parts.Block input=[8,16,13,17]": "missing 1 required positional argument",
    "module=mylab.parts.Block module.channels=5 input=[8,16,13,17]": "does not take an input of",
    "module=mylab.parts.Block": "A module needs an input",
    "module=mylab.parts.Block input=[1,16]": "no shape that begins with a batch of 4 or more",
    "module=mylab.parts.Block inptu=[8,16]": "has no `inptu`",
    "loss=mylab.parts.FocalLoss as=class": "as = `class` is none of",
    "loss=mylab.parts.FocalLoss module=mylab.parts.Block": "one piece was expected",
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_word_is_one_line_and_exit_code_2(lab: Path, words: str) -> None:
    done = ran(*words.split(), cwd=lab)
    assert done.returncode == 2, done.stdout
    first, second = done.stderr.splitlines()
    assert WRONG[words] in first
    assert second.startswith("  hint: ")


def ran(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BISECT, *words], cwd=cwd, capture_output=True, text=True, check=False)
