"""How a command's Python is made to observe itself: a start-up hook on PYTHONPATH, and no edit."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from shutil import which

from bisector.rundir import OBSERVATIONS, OBSERVE, ONLOOKER, write_json

HOOK = Path(__file__).parents[1] / "train" / "onlooker" / "startup"
"""The folder whose `sitecustomize` Python runs when it starts."""
PATH = "PYTHONPATH"

_PYTHON = re.compile(
    rb"\b(python|torchrun|accelerate|deepspeed|lightning|uv|poetry|conda|mamba|pixi)"
)
"""What starts a Python, by its name or from within a script of a shell."""
_TORCH = re.compile(rb"\b(torch|lightning|transformers|accelerate|timm|fastai|diffusers|ignite)")
_APART = re.compile(r"-[A-Za-z]*[IE]|--isolated")
"""Options of Python with which it reads no variables."""
_ELSEWHERE = ("docker", "podman", "ssh", "apptainer", "singularity", "kubectl")
"""Programs that start others where our variables do not go."""
DEPTHS = ("*.py", "*/*.py", "*/*/*.py")
"""Where a project's own files are searched: no deeper, as data may lie there by the million."""
_MOST = 400
"""Files of a project that are searched for an import."""
_BYTES = 200_000
"""Of each."""


def observed(env: Mapping[str, str], rundir: Path, memory_mb: float) -> dict[str, str]:
    """The variables of a run that is observed; what it is to do is written beside it.

    Args:
        env: of the run, as far as they are its own.
        rundir: its folder; what an earlier attempt saw is taken away.
        memory_mb: what observing may take.
    """
    for name in (OBSERVATIONS, ONLOOKER):
        (rundir / name).unlink(missing_ok=True)
    write_json(rundir / OBSERVE, {"memory_mb": memory_mb})
    given = env.get(PATH, os.environ.get(PATH, ""))  # noqa: TID251  what the user set is kept
    return {**env, PATH: os.pathsep.join([str(HOOK), *filter(None, [given])])}


def unseen(argv: Sequence[str], project: Path) -> str:
    """Why a command cannot be observed, as far as that shows before it is run; empty: it can be.

    Args:
        argv: the command.
        project: the folder in which it is called.
    """
    program = Path(argv[0]).name
    if program in _ELSEWHERE:
        return f"`{program}` starts it where no variable of ours goes"
    if any(_APART.fullmatch(word) for word in argv[1:2]) and "python" in program:
        return f"`{program} {argv[1]}` reads no PYTHONPATH"
    if not _PYTHON.search("\n".join(argv).encode()) and not _PYTHON.search(_head(argv, project)):
        return f"`{program}` is no Python, and names none"
    if not any(_TORCH.search(text) for text in _sources(argv, project)):
        return "no Python file here names torch"
    return ""


def _head(argv: Sequence[str], project: Path) -> bytes:
    """The text of the program and of a shell's script."""
    files = [which(argv[0]), *(str(project / word) for word in argv[1:3])]
    return b"\n".join(_text(Path(f)) for f in files if f and Path(f).is_file())


def _sources(argv: Sequence[str], project: Path) -> Iterator[bytes]:
    """The words of the command, the script it names, and the project's own Python files."""
    yield "\n".join(argv).encode()
    yield from (_text(project / w) for w in argv if w.endswith(".py") and (project / w).is_file())
    found = (path for depth in DEPTHS for path in project.glob(depth) if _own(path, project))
    yield from map(_text, islice(found, _MOST))


def _own(path: Path, project: Path) -> bool:
    """Whether a file is the project's, and no package of a virtual environment's or a run's link."""
    parts = path.relative_to(project).parts
    return not any(p.startswith(".") or p in ("site-packages", "node_modules") for p in parts)


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_BYTES)
    except OSError:
        return b""
