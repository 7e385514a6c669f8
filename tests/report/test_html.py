"""The report page: what it says, that it stands alone, and that no name can inject."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_sessions as rs

from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.session import Dormant, Opened, Ruling, Session, Suspect
from bisector.model.trial import Arm, Purpose
from bisector.model.verdict import Symptom
from bisector.report.advice import Places
from bisector.report.belief_picture import courses, history
from bisector.report.curve_picture import HEIGHT, WIDTH, curve_pictures
from bisector.report.html import write_report
from bisector.report.lr_picture import lr_pictures
from bisector.report.search_picture import search_picture
from bisector.report.summary import summarise

PLACES = Places(run="bisect run conf=digits", home="out/digits", tracking="bisect ui")
HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}`"
EMPTY = {"meta", "link", "img", "br", "rect", "path", "circle", "polyline", "polygon"}


class Page(HTMLParser):
    """A page's elements, with the text of each; refuses tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.stack: list[list[str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        self.elements.append((tag, dict(attrs), text))
        if tag not in EMPTY:
            self.open.append(tag)
            self.stack.append(text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        for text in self.stack:
            text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs, _ in self.elements if name == tag]

    def text(self, tag: str) -> list[str]:
        return [" ".join("".join(t).split()) for name, _, t in self.elements if name == tag]


def written(session: Session, tmp_path: Path, ranked: tuple[Suspect, ...] = rs.RANKED) -> str:
    path = tmp_path / "report.html"
    write_report(session, ranked, lambda n: rs.curves(session, n), path, places=PLACES)
    return path.read_text(encoding="utf-8")


def test_the_page_opens_with_the_verdict_why_and_what_to_do(tmp_path: Path) -> None:
    page = Page(written(rs.one_culprit().session, tmp_path))
    (headline,) = page.text("h1")
    assert headline.replace("\xa0", " ").startswith("focal breaks training (99.4 % sure)")
    assert page.text("h2")[:3] == ["Why", "What to do", "The path of the search"]
    assert any(t.startswith("recipe.shift=on") for t in page.text("pre"))


@pytest.mark.parametrize(
    "script", [rs.one_culprit, rs.needs_lr, rs.pair, rs.spent, rs.Script], ids=lambda s: s.__name__
)
def test_every_session_makes_a_page_that_nests(script: object, tmp_path: Path) -> None:
    session = script().session  # type: ignore[operator]
    page = Page(written(session, tmp_path))
    assert len(page.all("h1")) == 1
    assert session.conclusion is not None or page.text("h2")[0] == "So far"


def test_the_page_needs_nothing_but_itself_and_no_script(tmp_path: Path) -> None:
    text = written(rs.one_culprit().session, tmp_path)
    page = Page(text)
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("img")
    links = [a["href"] for a in page.all("a")]
    assert all(link and link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|https?://|src=", text)
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


@pytest.mark.parametrize("explained", [False, True])
def test_pictures_tables_and_regions_speak_to_a_screen_reader_and_a_keyboard(
    tmp_path: Path, *, explained: bool
) -> None:
    session = rs.explained().session if explained else rs.one_culprit().session
    page = Page(written(session, tmp_path))
    assert ("Reasons" in str(page.all("div"))) == explained
    assert page.all("html")[0]["lang"] == "en"
    for picture in page.all("svg"):
        assert picture.get("aria-hidden") == "true" or (
            picture["role"] == "img" and picture["aria-label"]
        )
    assert len(page.all("caption")) == len(page.all("table"))
    for region in (d for d in page.all("div") if d.get("class") == "scroll"):
        assert region["tabindex"] == "0"
        assert region["aria-label"]
    ids = {e["id"] for _, e, _ in page.elements if "id" in e}
    named = {s["aria-labelledby"] for s in page.all("section")}
    assert named <= ids


def test_a_hostile_name_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    script = rs.Script(rs.experiment((HOSTILE, "plain", "\x1b[31mred\x00")))
    rs.opening(script, rs.broke(None, Symptom.CRASH, HOSTILE))
    script.run(Arm(rs.some(HOSTILE), (HOSTILE,)), Purpose.ISOLATE, rs.lost(HOSTILE))
    script.run(Arm(rs.some("plain")), Purpose.ISOLATE, rs.broke(0.1, Symptom.CRASH, HOSTILE + "!"))
    script.run(Arm(rs.some(HOSTILE)), Purpose.CONFIRM, rs.broke())
    script.conclude(
        Ruling.CULPRIT,
        rs.some(HOSTILE),
        because=HOSTILE,
        dormant=(Dormant(rs.some(HOSTILE), rs.some("plain"), 0.95),),
    )
    session = replace(script.session, experiment=replace(script.experiment, name=HOSTILE))
    page = Page(written(session, tmp_path, (Suspect((rs.some(HOSTILE),), 0.9),)))
    assert not page.all("script")
    assert not page.all("img")
    assert "alert(1)" in page.text("h1")[0]
    assert "49" not in page.text("h1")[0]
    assert all("onerror" not in attrs for _, attrs, _ in page.elements)
    assert "\x1b" not in "".join(page.text("body"))


def test_a_long_search_of_many_additions_stays_under_three_megabytes(tmp_path: Path) -> None:
    names = tuple(f"a_long_name_of_an_addition_{i}" for i in range(64))
    script = rs.Script(rs.experiment(names))
    rs.opening(script)
    for k in range(400):
        on = frozenset(n for i, n in enumerate(names) if (i * 7 + k * 13) % 5 < 3)
        script.run(Arm(on), Purpose.ISOLATE, rs.broke() if k % 3 else rs.trained())
    session = script.session
    steps = tuple(range(5000))
    run = Evidence(
        Exit.CLEAN, {s: Curve(steps, tuple(1 / (1 + x) for x in steps)) for s in ("loss", "score")}
    )
    path = tmp_path / "report.html"
    write_report(session, rs.RANKED, lambda n: run, path, places=PLACES)
    assert path.stat().st_size < 3_000_000


def test_the_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    session = rs.one_culprit().session

    def unreadable(number: int) -> Evidence:
        raise OSError(f"run {number} cannot be read")

    with pytest.raises(OSError, match="run 0"):
        write_report(session, (), unreadable, path)
    assert path.read_text() == "old"


def test_every_run_comes_with_a_command_that_does_it_again(tmp_path: Path) -> None:
    session = rs.one_culprit().session
    commands = [
        t for t in Page(written(session, tmp_path)).text("pre") if "bisector.launch.wrap" in t
    ]
    assert len(commands) == len(session.judged)
    assert "out/digits/runs/016/job.json" in commands[-1]


def test_the_search_is_drawn_with_a_dot_for_each_addition_that_is_on() -> None:
    session = rs.one_culprit().session
    picture = search_picture(session)
    assert [len(r.on) for r in picture.rows] == [len(e.trial.arm.additions) for e in session.judged]
    assert [c.name for c in picture.columns if c.culprit] == ["focal"]
    assert picture.rows[-1].note == "lr x10"
    assert picture.band is not None
    scores = [r.score_x for r in picture.rows if r.score_x is not None]
    assert all(picture.plot[0] <= x <= picture.plot[1] for x in scores)


def test_curves_share_axes_stay_in_their_frame_and_mark_where_they_end() -> None:
    session = rs.one_culprit().session
    score, loss = curve_pictures(session, lambda n: rs.curves(session, n))
    assert (score.signal, loss.signal) == ("score", "loss")
    assert [p.title for p in loss.panels][:3] == ["baseline", "everything (10)", "focal"]
    points = [
        tuple(map(float, xy.split(",")))
        for p in loss.panels
        for t in p.traces
        for xy in t.points.split()
    ]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert [p.title for p in loss.panels if any(t.ends for t in p.traces)] == [
        "focal lr x0.1",
        "focal lr x10",
    ]
    assert loss.band


def test_the_sweep_of_the_learning_rate_is_drawn_with_a_row_for_each_multiplier() -> None:
    session = rs.one_culprit().session
    rows = summarise(session).lr
    (picture,) = lr_pictures(session, rows, lambda n: rs.curves(session, n))
    assert [r.label for r in picture.rates] == ["lr x0.1", "lr x1", "lr x10"]
    marks = [m for r in picture.rates for m in r.marks]
    assert {m.outcome for m in marks} == {"broken"}
    assert all(picture.left <= m.x <= picture.right for m in marks)
    assert picture.band is not None
    assert "run 15" in picture.words


def test_a_swept_run_that_left_nothing_to_read_is_told_in_words() -> None:
    script = rs.Script()
    rs.opening(script)
    script.run(Arm(rs.some("focal")), Purpose.CONFIRM, rs.broke())
    script.run(Arm(rs.some("focal"), lr_scale=10.0), Purpose.SWEEP_LR, rs.broke(None))
    rows = summarise(script.session).lr
    (picture,) = lr_pictures(script.session, rows, lambda n: Evidence(Exit.CRASHED))
    assert [r.unread for r in picture.rates] == ["", "1 of 1 broken, nothing to read"]


def test_runs_without_curves_make_no_panels() -> None:
    session = rs.one_culprit().session
    assert curve_pictures(session, lambda n: Evidence(Exit.CRASHED)) == ()


def test_belief_over_time_asks_the_planner_a_bounded_number_of_times() -> None:
    script = rs.Script()
    rs.opening(script)
    for _ in range(300):
        script.run(Arm(), Purpose.ISOLATE, rs.trained())
    asked: list[int] = []

    def rank(session: Session) -> tuple[Suspect, ...]:
        asked.append(len(session.judged))
        return (Suspect((rs.some("focal"),), len(session.judged) / 400),)

    past = history(script.session, rank)
    assert len(asked) <= 48
    assert asked == sorted(asked)
    assert asked[-1] == 304
    (course,) = courses(past, rank(script.session))
    assert [b.height for b in course.bars] == sorted(b.height for b in course.bars)


def test_an_explanation_that_once_led_keeps_its_line_when_it_is_refuted() -> None:
    focal, mixup, faint = ((rs.some(n),) for n in ("focal", "mixup", "wide"))
    past = [
        (Suspect(mixup, 0.6), Suspect(focal, 0.3), Suspect(faint, 1e-6)),
        (Suspect(focal, 0.99), Suspect(faint, 1e-6)),
    ]
    first, second = courses(past, past[-1])
    assert (first.label, second.label, second.now) == ("focal", "mixup", "under 0.1 %")
    assert second.bars[0].height > second.bars[1].height


def test_what_the_search_was_begun_in_is_told(tmp_path: Path) -> None:
    script = rs.one_culprit()
    opened = next(e for e in script.events if isinstance(e, Opened))
    begun = replace(opened, environment={"torch": "2.9.1", "GPUs": "none"})
    told = Page(written(replace(script.session, events=(begun, *script.events[1:])), tmp_path))
    assert told.text("dt")[-2:] == ["torch", "GPUs"]
    assert told.text("dd")[-2:] == ["2.9.1", "none"]


def _colours(scheme: str) -> dict[str, str]:
    style = Path(summarise.__code__.co_filename).with_name("style.html").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    return dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground_as_wcag_asks(scheme: str) -> None:
    c = _colours(scheme)
    pairs = [(c[x], c["ground"]) for x in ("ink", "soft", "bad", "good")]
    pairs += [(c[x], c[f"{x}-ground"]) for x in ("bad", "good", "open")]
    pairs += [(c["ink"], c["code"])]
    for one, other in pairs:
        high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a browser")
def test_a_browser_shows_the_page_without_a_complaint(tmp_path: Path) -> None:
    written(rs.one_culprit().session, tmp_path)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [
        "--dump-dom",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"file://{tmp_path / 'report.html'}",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "breaks training" in shown.stdout
    assert "CONSOLE" not in shown.stderr
