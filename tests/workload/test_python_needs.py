"""Which pieces need which, as their text tells; what it does not tell is not claimed."""

from textwrap import dedent

import pytest

from bisector.workload.python_needs import Version, needs


def version(path: str, before: str | None, after: str | None) -> Version:
    return Version(path, *(None if t is None else dedent(t) for t in (before, after)))


CASES: dict[str, tuple[dict[str, Version], dict[str, set[str]]]] = {
    "a new file is imported": (
        {
            "a": version("lab/train.py", "x = 1", "from lab.new import f\nx = f()"),
            "b": version("lab/new.py", None, "def f(): pass"),
        },
        {"a": {"b"}},
    ),
    "relatively, and as a module": (
        {
            "a": version("src/lab/train.py", "x = 1", "from . import new\nx = new.f()"),
            "b": version("src/lab/new.py", None, "def f(): pass"),
        },
        {"a": {"b"}},
    ),
    "a function is renamed": (
        {
            "a": version("train.py", "import lab\nlab.mse()", "import lab\nlab.square()"),
            "b": version("lab.py", "def mse(): pass", "def square(): pass"),
        },
        {"a": {"b"}, "b": {"a"}},
    ),
    "a file is taken away": (
        {
            "a": version("train.py", "from lab.old import f\nf()", "f = 1"),
            "b": version("lab/old.py", "def f(): pass", None),
        },
        {"b": {"a"}},
    ),
    "a hunk uses what another one defines": (
        {
            "a": version("t.py", "x = 1", "x = math.pi"),
            "b": version("t.py", "x = 1", "import math\nx = 1"),
        },
        {"a": {"b"}},
    ),
    "a hunk takes away what another one ceases to use": (
        {
            "a": version("t.py", "import math\nx = math.pi", "import math\nx = 3"),
            "b": version("t.py", "import math\nx = math.pi", "x = math.pi"),
        },
        {"b": {"a"}},
    ),
    "an import that is guarded": (
        {
            "a": version("t.py", "x = 1", "try:\n    import new\nexcept ImportError:\n    x = 1"),
            "b": version("new.py", None, "y = 1"),
        },
        {},
    ),
    "two may bring it": (
        {
            "a": version("t.py", "x = 1", "x = math.pi"),
            "b": version("t.py", "x = 1", "import math\nx = 1"),
            "c": version("t.py", "x = 1", "x = 1\nmath = 2"),
        },
        {},
    ),
    "no Python": (
        {"a": version("t.py", "x = 1", "x = ("), "b": version("t.yaml", "x: 1", "x: 2")},
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_the_text_tells_is_found_and_nothing_else(case: str) -> None:
    versions, expected = CASES[case]
    assert needs(versions) == expected
