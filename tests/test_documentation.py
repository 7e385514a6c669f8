"""The documentation holds together: every link leads somewhere, every page is in the site's menu."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = sorted(p for p in DOCS.rglob("*.md") if p.parent.name != "checks")
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(path: Path) -> str:
    """A page without its code, in which brackets mean something else."""
    text = re.sub(
        r"^( *)(`{3,}).*?^\1\2",
        "",
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    return re.sub(r"`[^`\n]*`", "code", text)


def anchors(path: Path) -> set[str]:
    titles = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", t).strip().lower().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.relative_to(DOCS).as_posix())
def test_no_page_of_the_site_links_out_of_it(page: Path) -> None:
    outside = [t for t in LINK.findall(prose(page)) if "://" not in t and not t.startswith("#")]
    assert all((page.parent / t.partition("#")[0]).resolve().is_relative_to(DOCS) for t in outside)


def test_every_guide_is_in_the_menu_and_every_entry_is_there() -> None:
    def leaves(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        return [
            leaf for n in (node.values() if isinstance(node, dict) else node) for leaf in leaves(n)
        ]

    class Loader(yaml.SafeLoader):
        """Reads past the tags that only the site's builder knows."""

    Loader.add_multi_constructor("tag:", lambda loader, suffix, node: None)
    listed = leaves(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"])
    assert sorted(set(listed)) == sorted(listed)
    assert {p.relative_to(DOCS).as_posix() for p in GUIDES} | {"checks/README.md"} == set(listed)
