"""Write `docs/checks/`: the pages that `bisect explain` prints, and an index. `--check`: only say if they are up to date."""

import sys
from pathlib import Path

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.reasons import REASONS
from bisector.cli.explain import explained, looked_at, of, own_page

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "checks"


def pages() -> dict[str, str]:
    """File name to content."""
    ids = {c.id: c for c in CATALOGUE} | {r.id: r for r in REASONS if own_page(r)}
    made = {f"{i}.md": "\n".join(f"# {_fenced(text)}" for text in explained(i)) for i in ids}
    return made | {"README.md": "\n".join(_index())}


def _fenced(text: str) -> str:
    """A page as Markdown: what is indented is code, and reads so without a fence."""
    lines = []
    for line in text.splitlines():
        code = line.startswith("    ")
        if code and lines and lines[-1].strip() and not lines[-1].startswith("    "):
            lines.append("")
        if not code and line.strip() and lines and lines[-1].startswith("    "):
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _index() -> list[str]:
    lines = ["# The reasons, and the checks that look for them", ""]
    lines += ["`bisect check conf=X` looks; `bisect explain ID` prints a page.", ""]
    lines += ["| id | reason | looked at by |", "|---|---|---|"]
    for reason in REASONS:
        checks = ", ".join(f"[{c.id}]({c.id}.md) {c.title}" for c in of(reason))
        title = f"[{reason.title}]({reason.id}.md)" if own_page(reason) else reason.title
        lines.append(f"| {reason.id} | {title} | {checks or looked_at(reason)} |")
    return [*lines, ""]


def main() -> int:
    """Write what differs; with `--check`, exit code 1 if anything does."""
    wanted = pages()
    there = {p.name: p.read_text(encoding="utf-8") for p in FOLDER.glob("*.md")}
    stale = sorted(n for n in wanted.keys() | there.keys() if wanted.get(n) != there.get(n))
    if "--check" in sys.argv:
        print("\n".join(f"docs/checks/{n} is not up to date" for n in stale), end="")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
