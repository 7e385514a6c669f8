"""Other code and other interpreters: git revisions and pieces of them, virtual environments.

Code is written out once a session, beside its runs; the user's own folder and branch stay as
they are.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bisector.errors import ConfigError
from bisector.model.surroundings import Surroundings, parted
from bisector.ports import Job
from bisector.rundir import ENV_RUNDIR, PREFLIGHT, write_json
from bisector.workload.git import below_top, git
from bisector.workload.trees import Piece, composed, exported, snapshot

_PYTHON = re.compile(r"(.*/)?python(\d(\.\d+)?)?")


def checkout(revision: str | None, home: Path, pieces: Sequence[str] = ()) -> Path:
    """The folder in which the project's code is found.

    Args:
        revision: any name that git knows for a commit or a tree; none or empty: the folder as it is.
        home: the session's folder; other code than the folder's goes into `code/` below it.
        pieces: files, or hunks of them, of other revisions: see `trees.Piece`.

    Raises:
        ConfigError: this is no git repository, or it has no such revision.
    """
    if not revision and not pieces:
        return Path.cwd()
    tree = exported(composed(revision or snapshot(), pieces), home)
    below = tree / below_top()
    if not below.is_dir():
        raise ConfigError(
            f"git:{revision} has no folder {below_top()}, in which bisect was called.",
            hint="Call bisect in a folder that both revisions have.",
        )
    return below


def untracked() -> tuple[Path, ...]:
    """What stands in the working folder and is not git's, such as data: revisions share it."""
    here = below_top()
    listed = git("ls-files", "-z", "--", f":(top,literal){here}" if here else ":/").split("\0")
    depth = len(Path(here).parts)
    tracked = {Path(name).parts[depth] for name in listed if name}
    return tuple(p for p in Path.cwd().iterdir() if p.name not in tracked | {".git"})


def first_on_path(code: Path) -> dict[str, str]:
    """The variable by which a revision's packages go before those that are installed."""
    given = os.environ.get("PYTHONPATH", "")  # noqa: TID251  what the user set is kept
    folders = [str(p) for p in (code, code / "src") if p.is_dir()]
    return {"PYTHONPATH": os.pathsep.join([*folders, *filter(None, [given])])}


def interpreter(path: str) -> Path:
    """The interpreter that a path names, by itself or by its virtual environment.

    Raises:
        ConfigError: there is none.
    """
    given = Path(path).expanduser().absolute()
    found = given / "bin" / "python" if given.is_dir() else given
    if not found.is_file():
        raise ConfigError(
            f"python:{path} names no interpreter: there is no {found}.",
            hint="Name a virtual environment's folder, or its bin/python.",
        )
    return found


def with_python(argv: Sequence[str], python: Path) -> list[str]:
    """The command line under another interpreter.

    Raises:
        ConfigError: no word of it is an interpreter.
    """
    for at, word in enumerate(argv):
        if word == sys.executable or _PYTHON.fullmatch(word):
            return [*argv[:at], str(python), *argv[at + 1 :]]
    raise ConfigError(
        f"python:{python} has no interpreter to replace in the command.",
        hint="Write the interpreter as a word of its own: [python, train.py, ...].",
    )


def imports(
    argv: Sequence[str], wanted: Sequence[tuple[str, Surroundings]], rundir: Path
) -> Job | None:
    """A job that tries what the command's script imports, in each of the surroundings.

    In the baseline's own it is only found, since to import it takes as long as to begin a run.

    Args:
        argv: the command of the baseline.
        wanted: where each of the surroundings is asked for, and what they are.
        rundir: the job's own; other code goes beside it.

    Raises:
        ConfigError: an interpreter or a revision is not there.
    """
    script, python = _script(argv), _python_of(argv)
    named = f"{script} ({python})"
    tried = [_place("workload.command", named, python, Path.cwd(), "found", script)]
    for key, asked in wanted:
        code = checkout(asked.revision, rundir.absolute().parent, asked.pieces)
        other = str(interpreter(asked.python)) if asked.python else python
        place = _place(key, _said(asked), other, code, "imported", script)
        tried.append(place | {"may_crash": "yes"} if asked.pieces else place)
    if not script or not python:
        return None
    rundir.mkdir(parents=True, exist_ok=True)
    write_json(rundir / PREFLIGHT, {"places": tried})
    job = (sys.executable, "-m", "bisector.train.importable")
    return Job(job, rundir, {ENV_RUNDIR: str(rundir)}, cwd=Path.cwd())


def around(job: Job, surroundings: Surroundings, home: Path) -> Job:
    """A function's job in other surroundings; its interpreter must have bisect installed.

    Args:
        job: in the folder as it is.
        surroundings: what it is to have instead.
        home: the session's folder.

    Raises:
        ConfigError: an interpreter or a revision is not there.
    """
    env, argv, code = dict(job.env), job.argv, job.cwd
    if surroundings.python:
        argv = (str(interpreter(surroundings.python)), *argv[1:])
    if surroundings.elsewhere:
        code = checkout(surroundings.revision, home, surroundings.pieces)
        env |= first_on_path(code)
        # A process of its own: a warm one has the modules of the working folder loaded.
        argv = (argv[0], "-P", *argv[1:])
    return replace(job, argv=argv, env={**env, **surroundings.env}, cwd=code)


def places(target: str, overrides: Mapping[str, Sequence[str]], home: Path) -> dict[str, object]:
    """What a preflight job is to import in other surroundings for a function; empty: nothing.

    Args:
        target: `module:function`.
        overrides: by the key that names them.
        home: the session's folder; other code goes into it.
    """
    found = []
    module = f"-m {target.partition(':')[0]}"
    for key, texts in overrides.items():
        asked, _ = parted(texts)
        if asked.python or asked.revision:
            code = checkout(asked.revision, home.absolute())
            python = str(interpreter(asked.python)) if asked.python else sys.executable
            found.append(_place(key, _said(asked), python, code, "imported", module))
    return {"places": found} if found else {}


def _said(asked: Surroundings) -> str:
    pieces = sorted({f"git:{Piece.of(p).revision}" for p in asked.pieces})
    named = pieces or ([f"git:{asked.revision}"] if asked.revision else [])
    return ", ".join(named + ([f"python:{asked.python}"] if asked.python else []))


def _place(key: str, target: str, python: str, code: Path, how: str, script: str) -> dict[str, str]:
    """One place in which a script is to be `found`, or what it imports `imported`.

    This interpreter and this folder are not named: where the job runs they may be elsewhere.
    """
    if code == Path.cwd() and Path(script).is_relative_to(code):
        script = str(Path(script).relative_to(code))
    cwd = "." if code == Path.cwd() else str(code)
    python = "" if python == sys.executable else python
    place = {"key": key, "target": target, "python": python, "cwd": cwd}
    return {**place, "how": how, "script": script}


def _script(argv: Sequence[str]) -> str:
    """The Python file, or `-m` and the module, that a command runs; empty: none can be seen."""
    for at, word in enumerate(argv):
        if word == "-m" and at + 1 < len(argv):
            return f"-m {argv[at + 1]}"
        if word.endswith(".py"):
            return word
    return ""


def _python_of(argv: Sequence[str]) -> str:
    """The interpreter that a command names; empty: it names none."""
    return next((w for w in argv if _PYTHON.fullmatch(w) or w == sys.executable), "")
