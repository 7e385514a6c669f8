"""The documentation as a site."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_builds_and_no_link_in_it_is_dead(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {p.relative_to(tmp_path / "docs") for p in (tmp_path / "docs").rglob("*.md")}
    made = {p.parent if p.name in ("index.md", "README.md") else p.with_suffix("") for p in pages}
    assert all((tmp_path / "site" / page / "index.html").is_file() for page in made)


def test_every_page_that_is_no_single_check_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    pages = [p.relative_to(ROOT / "docs") for p in (ROOT / "docs").rglob("*.md")]
    single = [p for p in pages if p.parent.name == "checks" and p.name != "README.md"]
    assert not [str(p) for p in pages if p not in single and str(p) not in menu]
