import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cli_project import Project, make


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A fresh project, which is also the working directory; whatever is left of it is ended."""
    monkeypatch.chdir(tmp_path)
    made = make(tmp_path)
    yield made
    me = os.getpid()
    for process in made.processes():
        if process.pid != me:
            process.kill()


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose search has run to its end; not to be written to."""
    made = make(tmp_path_factory.mktemp("searched"))
    done = made.bisect("run", "conf=x", "--plain")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def finished(searched: Project, project: Project) -> Project:
    """A copy of it to do with as one likes."""
    shutil.copytree(searched.home, project.home)
    shutil.copy(searched.folder / "began", project.folder / "began")
    return project


@pytest.fixture(autouse=True)
def gone() -> Iterator[None]:
    """No test leaves a process behind."""
    yield
    for child in psutil.Process().children():
        if child.status() != psutil.STATUS_ZOMBIE and "bisector" in " ".join(child.cmdline()):
            child.kill()
            pytest.fail(f"left behind: {child.cmdline()}")
