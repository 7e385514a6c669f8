"""Write `docs/images/`: a real search as its terminal, its report and MLflow's pages show it.

Needs Chromium, tmux, and `pip install playwright` (no browser of its own is downloaded).
`--home DIR` keeps the search there and takes up what is there already; without it a folder is
made and thrown away. `--conf NAME` is another experiment than digits.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
BISECT = str(ROOT / ".venv" / "bin" / "bisect")
COLUMNS, LINES = 80, 30
COLOURS = 128
"""Of a picture's palette: pages are flat, and photographs are not among them."""
_SESSION = "bisect-screenshots"
_MLFLOW_IS_SLOW = 12_000
"""Milliseconds until MLflow's pages have drawn their tables and charts."""


def main() -> int:
    """Search, look, write; 1 if a tool is missing or the search does not end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--conf", default="digits")
    args = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None or shutil.which("tmux") is None:
        print("Chromium and tmux are needed.", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = args.home or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "out" / args.conf / "report.html").exists():
            search(home, args.conf)
        with sync_playwright() as play:
            chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            report(chromium, home / "out" / args.conf / "report.html")
            with ui(home, args.conf) as addresses:
                mlflow(chromium, *addresses)
            chromium.close()
    for path in sorted(IMAGES.iterdir()):
        print(f"{path.stat().st_size / 1000:7.0f} kB  {path.relative_to(ROOT)}")
    return 0


def search(home: Path, conf: str) -> None:
    """Run a search in a terminal of 80 columns, and keep a frame with most to see in it."""
    command = f"{BISECT} run conf={conf}; sleep 2"
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    tmux("new-session", "-d", "-s", _SESSION, *size, "-c", str(home), command)
    best = ""
    while tmux("has-session", "-t", _SESSION) is not None:
        frame = tmux("capture-pane", "-p", "-e", "-t", _SESSION) or ""
        if "Running" in frame and len(frame) >= len(best):
            best = frame
        time.sleep(1)
    terminal(best, IMAGES / "live.svg", f"bisect run conf={conf}")


def tmux(*words: str) -> str | None:
    """What a command of tmux says; None if it fails."""
    done = subprocess.run(["tmux", *words], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def terminal(frame: str, path: Path, title: str) -> None:
    """A frame with its colours as a picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(frame.rstrip()), soft_wrap=True)
    console.save_svg(str(path), title=title)


def report(browser: Browser, page: Path) -> None:
    """The first screen in both schemes and on a phone, and the path of the search."""
    for name, scheme, width in (
        ("report-light", "light", 1280),
        ("report-dark", "dark", 1280),
        ("report-phone", "dark", 390),
    ):
        tab = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,  # type: ignore[arg-type]
            offline=True,
        ).new_page()
        tab.goto(page.resolve().as_uri())
        keep(tab.screenshot(), name)
        if name == "report-light":
            keep(tab.locator("section[aria-labelledby=path]").screenshot(), "report-path")
            keep(tab.locator("section[aria-labelledby=belief]").screenshot(), "report-belief")
        tab.close()


@contextmanager
def ui(home: Path, conf: str) -> Iterator[list[str]]:
    """The addresses that `bisect ui` prints, while it serves."""
    server = subprocess.Popen(
        [BISECT, "ui", f"conf={conf}", "--port", "5095"],
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        told: list[str] = []
        for line in server.stdout:
            told += [line.split(": ", 1)[1].strip()] if ": http" in line else []
            if "Ctrl-C" in line:
                break
        yield told
    finally:
        server.terminate()
        server.wait(30)


def mlflow(browser: Browser, table: str, arms: str) -> None:
    """The runs as a table, what goes with a broken run, curves by arm, and the session's own page."""
    tab = browser.new_page(viewport={"width": 1600, "height": 900})
    settled(tab, table)
    for name in ("Close", "close"):
        for button in tab.get_by_role("button", name=name, exact=True).all():
            button.click()
    keep(tab.screenshot(), "mlflow-runs")
    settled(tab, f"{table}&compareRunsMode=CHART")
    keep(tab.screenshot(), "mlflow-additions")
    settled(tab, arms)
    keep(tab.screenshot(), "mlflow-arms")
    server, _, rest = table.partition("/#/experiments/")
    number = rest.partition("/")[0]
    settled(tab, f"{server}/#/experiments/{number}/runs?workflowType=machine_learning")
    run = tab.locator("a[href*='/runs/']").first.get_attribute("href") or ""
    settled(tab, f"{server}/{run.partition('?')[0]}?workflowType=machine_learning")
    tab.get_by_text("Show more").first.click()
    tab.wait_for_timeout(1000)
    keep(tab.screenshot(), "mlflow-session")


def settled(tab: Page, address: str) -> None:
    """A page once it is drawn; by way of an empty one, as MLflow reads its address only once."""
    tab.goto("about:blank")
    tab.goto(address)
    tab.wait_for_timeout(_MLFLOW_IS_SLOW)


def keep(png: bytes, name: str) -> None:
    """Write a picture with as many colours as it needs, which makes it a third of the size."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    raise SystemExit(main())
