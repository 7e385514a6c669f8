"""A repository as one finds it: a small regression in six commits, of which one did the harm.

The standard library only, so that a run takes no time. Some commits change two files that do not
work without each other; of the guilty file only one of several hunks is to blame.
"""

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")

FIRST = {
    "train.py": """
        import argparse
        import random

        from lab import data, loss, old
        from lab.log import say
        from lab.optim import step

        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=0.1)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--wobble", type=float, default=0.0)
        args = parser.parse_args()
        rng = random.Random(args.seed)
        points = data.points(rng)
        weight = 0.0
        for epoch in range(20):
            for x, y in points:
                weight = step(weight, loss.slope(weight, x, y), args.lr)
            error = sum(loss.mse(weight, x, y) for x, y in points) / len(points)
            say(epoch, error, old.score(error) - args.wobble)
        """,
    "lab/__init__.py": "",
    "lab/data.py": """
        def points(rng):
            xs = [rng.uniform(-1, 1) for _ in range(30)]
            return [(x, 3 * x + rng.gauss(0, 0.05)) for x in xs]
        """,
    "lab/loss.py": """
        def mse(weight, x, y):
            return (weight * x - y) ** 2


        def slope(weight, x, y):
            return 2 * x * (weight * x - y)
        """,
    "lab/log.py": """
        def say(epoch, error, score):
            print(f"epoch {epoch} loss {error:.4f} acc {score:.4f}")
        """,
    "lab/old.py": """
        def score(error):
            return 1 / (1 + error)
        """,
    "lab/optim.py": """
        # How weights change.

        DECAY = 1e-4


        def shrink(weight):
            return weight * DECAY


        def clip(slope):
            return max(-10.0, min(10.0, slope))


        def step(weight, slope, lr):
            return weight - lr * (clip(slope) + shrink(weight))
        """,
    "lab/plots.py": "WIDTH = 3\n",
    "lab/paths.py": "OUT = 'out'\n",
    "docs/use.md": "Call it.\n",
    "README.md": "A regression.\n",
    "scripts/all.sh": "python train.py\n",
    ".gitignore": "out\n__pycache__\n",
}

COMMITS: tuple[tuple[str, dict[str, object]], ...] = (
    (
        "The loss has a name that says what it is",
        {
            "lab/loss.py": [("def mse", "def squared")],
            "train.py": [("loss.mse", "loss.squared")],
            "docs/use.md": [("Call it.", "Call it often.")],
        },
    ),
    (
        "Points that are mixed",
        {
            "lab/mixing.py": "def mixed(points):\n    return sorted(points)\n",
            "lab/data.py": [
                ("def points", "from lab.mixing import mixed\n\n\ndef points"),
                ("return [(x, 3 * x + rng.gauss(0, 0.05)) for x in xs]",
                 "return mixed([(x, 3 * x + rng.gauss(0, 0.05)) for x in xs])"),
            ],
            "lab/plots.py": [("3", "4")],
        },
    ),
    (
        "Scores are where the errors are",
        {
            "lab/old.py": None,
            "lab/scores.py": "def score(error):\n    return 1 / (1 + error)\n",
            "train.py": [("data, loss, old", "data, loss, scores"), ("old.score", "scores.score")],
            "README.md": [("regression", "linear regression")],
        },
    ),
    (
        "Less decay, and clip later",
        {
            "lab/optim.py": [("1e-4", "2e-4"), ("-10.0, min(10.0", "-20.0, min(20.0")],
            "lab/paths.py": [("'out'", "'results'")],
        },
    ),
    (
        "Simplify the step",
        {
            "lab/optim.py": [
                ("# How weights change.", "# How a weight changes."),
                ("weight - lr * (clip(slope) + shrink(weight))",
                 "weight - lr * 0.001 * (clip(slope) + shrink(weight))"),
            ],
            "scripts/all.sh": [("train.py", "train.py --lr 0.1")],
        },
    ),
    (
        "Say it with more digits",
        {
            "lab/log.py": [(":.4f} acc", ":.5f} acc")],
            "lab/optim.py": [("def shrink(weight):", "def shrink(weight):  # towards zero")],
            "lab/__init__.py": "VERSION = 2\n",
        },
    ),
)  # fmt: skip
"""What each commit does: texts of new files, pairs to be replaced, None for files taken away."""


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *WHO, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, path: str, text: str) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(unindented(text))


def unindented(text: str) -> str:
    lines = text.lstrip("\n").split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines).rstrip() + "\n" if text else ""


def make(folder: Path) -> Path:
    """The repository, with the tag `worked` before the six commits."""
    for path, text in FIRST.items():
        write(folder, path, text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "It works")
    git(folder, "tag", "worked")
    for title, changes in COMMITS:
        for path, change in changes.items():
            if change is None:
                (folder / path).unlink()
            elif isinstance(change, str):
                write(folder, path, change)
            elif isinstance(change, list):
                text = (folder / path).read_text()
                for old, new in change:
                    assert old in text, (path, old)
                    text = text.replace(old, new)
                (folder / path).write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", title)
    return folder
