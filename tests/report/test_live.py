"""The live view, drawn on a recorded terminal."""

import io
from dataclasses import replace

import pytest
import report_sessions as rs
from rich.console import Console

from bisector.model.evidence import Curve, Evidence, Exit
from bisector.model.session import Event, Explained, Session, Suspect
from bisector.model.trial import Arm, Purpose
from bisector.report.estimate import Left, entropy, left
from bisector.report.live import LiveReporter
from bisector.report.panel import Frame, Picture, draw
from bisector.report.sparkline import bar, sparkline


class Clock:
    """A time that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Planner:
    """A ranking that grows surer with every run, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, session: Session) -> tuple[Suspect, ...]:
        self.asked += 1
        sure = min(0.1 + 0.1 * len(session.judged), 0.9)
        rest = [n for n in rs.NAMES if n != "focal"]
        others = [Suspect((rs.some(n),), (1 - sure) / len(rest)) for n in rest]
        return (Suspect((rs.some("focal"),), sure), *others)


def screen(clock: Clock, width: int = 80) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=30,
        get_time=clock,
        legacy_windows=False,
    )


def half_done(losses: tuple[float, ...]) -> Picture:
    script = rs.Script()
    rs.opening(script)
    rs.isolating(script, rs.some("focal"), 3)
    script.launch(Arm(rs.some("focal", "wide")), Purpose.ISOLATE)
    curve = Curve(tuple(range(1, len(losses) + 1)), losses)
    evidence = Evidence(Exit.RUNNING, {"loss": curve}, {"planned_steps": 450})
    ranked = Planner()(script.session)
    return Picture(script.session, ranked, {7: evidence}, 72.0, Left(6, 44.0))


def replay(reporter: LiveReporter, events: tuple[Event, ...], clock: Clock, tick: float) -> None:
    session = Session(rs.experiment())
    for event in events:
        session = session.add(event)
        clock.now += tick
        reporter.update(session, event, None)
    reporter.close(session)


def test_the_picture_tells_what_is_believed_what_runs_and_what_was_said() -> None:
    text = draw(half_done((2.3, 1.9, 1.2)), Frame(80, 30, ascii_only=False)).plain
    assert "digits  isolating" in text
    assert "7 runs done, about 6 left, about 40 s" in text
    assert "80 %" in text
    assert "focal+wide" in text
    assert "█▅▁" in text
    assert "3/450" in text
    assert "✗ broken" in text


@pytest.mark.parametrize(
    ("width", "height"), [(40, 30), (50, 24), (64, 24), (80, 24), (200, 60), (80, 6)]
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_frame_fits_its_terminal(width: int, height: int, ascii_only: bool) -> None:
    drawn = draw(half_done(tuple(range(400))), Frame(width, height, ascii_only))
    lines = drawn.split()
    assert len(lines) < height
    assert all(line.cell_len <= width for line in lines)
    assert drawn.plain.isascii() or not ascii_only


def test_no_colour_is_used_that_vanishes_on_a_light_or_a_dark_ground() -> None:
    drawn = draw(half_done((1.0,)), Frame(80, 30, ascii_only=False))
    words = {word for span in drawn.spans for word in str(span.style).split()}
    assert words <= {"bold", "dim", "red", "green"}


def test_outcomes_are_told_by_a_sign_beside_the_colour() -> None:
    plain = draw(half_done((1.0,)), Frame(80, 30, ascii_only=True)).plain
    assert "x broken" in plain
    assert "+ healthy" in plain


def test_the_planner_is_asked_once_for_each_event_and_never_for_a_tick() -> None:
    clock, planner = Clock(), Planner()
    reporter = LiveReporter(screen(clock), planner)
    session = Session(rs.experiment())
    events = rs.one_culprit().session.events[:10]
    for event in events:
        session = session.add(event)
        reporter.update(session, event, None)
        for _ in range(5):
            clock.now += 1
            reporter.progress(session, {})
    reporter.close(session)
    opening = 2
    assert planner.asked == len(events) + opening


def test_there_are_at_most_four_frames_a_second() -> None:
    clock = Clock()
    console = screen(clock)
    replay(LiveReporter(console, Planner()), rs.one_culprit().session.events, clock, 0.01)
    frames = console.file.getvalue().count("Last verdicts")  # type: ignore[attr-defined]
    assert frames <= 1 + 4 * 0.01 * len(rs.one_culprit().session.events)


def test_the_end_is_the_same_summary_as_in_plain_lines_and_stays_on_the_screen() -> None:
    clock = Clock()
    console = screen(clock)
    replay(LiveReporter(console, Planner()), rs.one_culprit().session.events, clock, 1.0)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    end = shown[shown.rindex("`focal` breaks training") :]
    assert "everything but focal" in end
    assert "Cost: 17 runs" in end
    # The cursor is given back, and nothing after the summary wipes it.
    assert "\x1b[?25h" in shown
    assert "\x1b[2K" not in end


def test_a_loss_that_explodes_is_marked_in_its_sparkline() -> None:
    assert sparkline((1.0, 2.0, float("inf"), float("nan")), 8) == "▁█!!"
    assert sparkline((1.0, 2.0), 8, ascii_only=True) == "_@"
    assert sparkline((float("nan"),), 8) == "!"
    assert sparkline((), 8) == ""


def test_a_spike_survives_the_squeezing_of_a_long_curve() -> None:
    values = [1.0] * 500
    values[137] = float("inf")
    assert "!" in sparkline(values, 16)
    assert len(sparkline(values, 16)) <= 16


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(0.5, 8) == "████    "
    assert bar(0.0, 4, ascii_only=True) == "...."
    assert bar(1.0, 4, ascii_only=True) == "####"


def test_the_estimate_shrinks_as_the_planner_grows_sure_and_is_nothing_at_the_end() -> None:
    planner = Planner()
    events = rs.one_culprit().session.events
    at_start = entropy(planner(Session(rs.experiment())))
    guesses = []
    for end in range(1, len(events) + 1):
        session = Session(rs.experiment(), events[:end])
        guesses.append(left(session, planner(session), at_start).runs)
    assert guesses[0] > guesses[len(guesses) // 2] > 0
    assert guesses[-1] == 0
    assert left(Session(rs.experiment(), events[:1]), planner(session), at_start).seconds is None


def test_the_estimate_never_exceeds_the_budget() -> None:
    session = Session(
        rs.experiment(budget=rs.Budget(trials=5)), rs.one_culprit().session.events[:7]
    )
    assert left(session, Planner()(session), 10.0).runs <= 5


def test_uncertainty_is_counted_in_bits_with_what_is_left_untold() -> None:
    assert entropy([Suspect((), 0.5)]) == pytest.approx(1.0)
    assert entropy([Suspect((), 1.0)]) == 0.0


def test_what_looks_for_the_reason_is_counted_until_the_reason_is_told() -> None:
    script = rs.Script(rs.experiment(variants={"no-clip": ("recipe.clip=null",)}))
    rs.opening(script)
    rs.isolating(script, rs.some("focal"))
    rs.proving(script, rs.some("focal"))
    found = (Suspect((rs.some("focal"),), 0.999),)
    script.accuse(found[0])
    # A command, of which nobody says how its parts are changed, is only watched.
    command = replace(script.session, experiment=replace(script.experiment, variants={}))
    assert left(command, found, 4.0).runs == 4
    # The baseline at two rates, two runs under probes, and a mend on as many seeds as prove it.
    assert left(script.session, found, 4.0).runs == 6
    script.run(Arm(rs.some("focal"), watched=True), Purpose.EXPERIMENT, rs.broke())
    assert left(script.session, found, 4.0).runs == 3
    for _ in range(2):
        script.run(Arm(rs.some("focal"), tweaks=("a=b",)), Purpose.TRY_REMEDY, rs.broke())
    assert left(script.session, found, 4.0).runs == 3  # one probe, half of four further mends
    told = script.session.add(Explained(rs.some("focal"), ()))
    assert left(told, found, 4.0).runs == 0
