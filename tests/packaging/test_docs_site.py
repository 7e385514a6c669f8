"""The documentation as a site."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
SILENT = ("code", "pre", "script", "style")


class Words(HTMLParser):
    """What a page says outside of code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.silent = 0
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in SILENT

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in SILENT

    def handle_data(self, data: str) -> None:
        self.said += "" if self.silent else data


def test_the_site_builds_no_link_in_it_is_dead_and_no_markdown_is_shown_as_typed(
    tmp_path: Path,
) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    command = [str(Path(sys.executable).parent / "zensical"), "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {p.relative_to(tmp_path / "docs") for p in (tmp_path / "docs").rglob("*.md")}
    made = {p.parent if p.name in ("index.md", "README.md") else p.with_suffix("") for p in pages}
    assert all((tmp_path / "site" / page / "index.html").is_file() for page in made)
    for page in (p for p in made if "checks" not in p.parts):
        said = Words((tmp_path / "site" / page / "index.html").read_text(encoding="utf-8")).said
        assert not re.search(r"\]\(|\*\*|```", said), f"{page}: {said[:200]}"


def test_every_page_that_is_no_single_check_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    pages = [p.relative_to(ROOT / "docs") for p in (ROOT / "docs").rglob("*.md")]
    single = [p for p in pages if p.parent.name == "checks" and p.name != "README.md"]
    assert not [str(p) for p in pages if p not in single and str(p) not in menu]
