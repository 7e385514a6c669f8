"""The report as a browser shows it: to a screen reader, to a keyboard, on a phone, on paper."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import report_sessions as rs
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from bisector.model.session import Session
from bisector.report.advice import Places
from bisector.report.html import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PLACES = Places(run="bisect run conf=digits", home="out/digits", tracking="bisect ui")
PAPER = 680
"""Pixels between the margins of an A4 page."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        chromium = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


def shown(browser: Browser, session: Session, folder: Path, *, width: int, scheme: str) -> Page:
    """The session's report, every fold of it open."""
    path = folder / "report.html"
    write_report(session, rs.RANKED, lambda n: rs.curves(session, n), path, places=PLACES)
    page = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
        offline=True,
    ).new_page()
    page.set_default_timeout(10_000)
    page.goto(path.as_uri())
    return page


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend(browser: Browser, tmp_path: Path, scheme: str) -> None:
    page = shown(browser, rs.explained().session, tmp_path, width=1280, scheme=scheme)
    unfold(page)
    found = Axe().run(page)
    assert not [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]]


def test_a_keyboard_reaches_the_skip_link_first_and_unfolds_every_run(
    browser: Browser, tmp_path: Path
) -> None:
    page = shown(browser, rs.one_culprit().session, tmp_path, width=1280, scheme="light")
    page.keyboard.press("Tab")
    link = page.locator(".skip")
    assert link.evaluate("e => e === document.activeElement && e.getBoundingClientRect().x >= 0")
    page.keyboard.press("Enter")
    assert page.url.endswith("#path")
    fold = page.get_by_text("Every run (")
    fold.focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("columnheader", name="because").is_visible()


def test_on_a_phone_nothing_is_wider_than_the_page_and_the_mend_comes_before_the_evidence(
    browser: Browser, tmp_path: Path
) -> None:
    page = shown(browser, rs.explained().session, tmp_path, width=390, scheme="dark")
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    places = [
        page.get_by_role("heading", name=name, exact=True).bounding_box()
        for name in ("Why", "What to do", "How that is known")
    ]
    heights = [place["y"] for place in places if place]
    assert heights == sorted(heights)
    assert len(heights) == 3


def test_on_paper_all_folds_are_open_and_dark_words_stand_on_white(
    browser: Browser, tmp_path: Path
) -> None:
    page = shown(browser, rs.one_culprit().session, tmp_path, width=PAPER, scheme="dark")
    page.emulate_media(media="print", color_scheme="light")
    assert page.get_by_text("recipe.shift=on").last.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
    ground, ink = page.evaluate(
        "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
    )
    assert (ground, ink) == ("rgb(255, 255, 255)", "rgb(27, 31, 36)")
