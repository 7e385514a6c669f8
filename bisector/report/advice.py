"""What to do next: one step a line, with what to paste where there is something to paste."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bisector import rundir
from bisector.model.experiment import Experiment, Find
from bisector.model.finding import Reason, Status
from bisector.model.session import NOTHING_LEFT, Ruling
from bisector.model.trial import Arm
from bisector.model.variant import MEANS, Variant, change_named
from bisector.report.effects import heaviest
from bisector.report.reading import Reading
from bisector.report.why import whys
from bisector.report.wording import capital, clean, label, name, names, scale

REPLACES: Mapping[str, str] = {
    Variant.STANDARD_LOSS: "loss",
    Variant.ADAMW: "optimizer",
    Variant.QUICK_ADAMW: "optimizer",
    Variant.SGD: "optimizer",
}
"""Changes that put a known part in the place of the one at fault, and what that is called."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    text: str
    paste: str = ""
    """A command, or overrides to put behind your own; empty: nothing to paste."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are, as the reader would type it; empty: not said."""

    run: str = ""
    """The command that began this session, e.g. `bisect run conf=digits`."""
    home: str = ""
    """The session's folder."""
    report: str = ""
    """The HTML report."""
    tracking: str = ""
    """How to look at the runs in MLflow: a command or an address."""
    python: str = "python"
    """The interpreter that has bisect."""


def next_steps(
    read: Reading, places: Places, upcoming: Sequence[frozenset[str]]
) -> tuple[Step, ...]:
    """What the ruling asks of the reader, the most useful step first."""
    end = read.session.conclusion
    if end is None:
        return (Step("Go on where it stopped:", _command(read, places)), *_would_run(upcoming))
    steps = _ADVICE[end.ruling](read, places)
    return steps if end.ruling.decided else (*steps, *_would_run(upcoming or end.upcoming))


def overrides(experiment: Experiment, on: Iterable[str], more: Sequence[str] = ()) -> str:
    """The overrides that switch `on` on, in declared order, quoted for a shell."""
    wanted = frozenset(on)
    words = [o for a in experiment.additions if a.name in wanted for o in a.overrides]
    again = {_key(o) for o in more if "=" in o}
    kept = [o for o in words if _key(o) not in again or o.startswith(("+", "~"))]
    return " ".join(shlex.quote(clean(o)) for o in (*kept, *more))


def _blame(read: Reading, places: Places) -> tuple[Step, ...]:
    look = _look(read, read.end.culprits, places)
    mend = (*_leave_out(read), *_mended(read), *_trains_elsewhere(read))
    return (*mend, *_masked(read), *look, *_others(read, places))


def _masked(read: Reading) -> tuple[Step, ...]:
    """What must not be taken out alone."""
    return tuple(
        Step(f"Keep {names(d.rescuers)} for as long as {names(d.culprit)} is on.")
        for d in read.end.dormant
    )


def _retune(read: Reading, places: Places) -> tuple[Step, ...]:
    return (*_trains_elsewhere(read), *_leave_out(read), *_others(read, places))


def _fewer(read: Reading, places: Places) -> tuple[Step, ...]:
    members = heaviest(read.shares)
    drop = f"; drop {names(members)} first" if members else ""
    return (Step(f"Keep fewer additions at once{drop}."),)


def _mend_baseline(read: Reading, places: Places) -> tuple[Step, ...]:
    known = _mended(read)
    how = "" if known else _suspected(read)
    mend = Step(f"Mend the baseline first: nothing can be judged against it.{how}")
    return (*known, mend, *_look(read, (frozenset(),), places))


def _steady(read: Reading, places: Places) -> tuple[Step, ...]:
    harm = read.end.effect.high if read.end.effect else 0.0
    larger = f"judge.min_effect={max(2 * read.experiment.metric.min_effect, harm):.2g}"
    known = _suspected(read)
    mend = f"Mend the baseline first, so that its seeds agree.{known}"
    return (
        Step(mend if known else "Train longer, so that the baseline's seeds agree."),
        Step("Or ask for larger harm only:", f"{_command(read, places)} {larger}"),
    )


def _keep(read: Reading, places: Places) -> tuple[Step, ...]:
    experiment = read.experiment
    return (Step("Keep everything on:", overrides(experiment, experiment.full)),)


def _spend_more(read: Reading, places: Places) -> tuple[Step, ...]:
    if read.end.because.startswith(NOTHING_LEFT):
        mend = "Mend what crashes in another way, or say what it `requires` or `excludes`."
        return (Step(mend), *_look(read, read.end.culprits, places))
    more = f"budget.trials={2 * read.experiment.budget.trials}"
    return (Step("Go on with a larger budget:", f"{_command(read, places)} {more}"),)


def _nothing(read: Reading, places: Places) -> tuple[Step, ...]:
    return ()


_ADVICE: Mapping[Ruling, Callable[[Reading, Places], tuple[Step, ...]]] = {
    Ruling.CULPRIT: _blame,
    Ruling.INTERACTION: _blame,
    Ruling.SEVERAL: _blame,
    Ruling.NEEDS_LR: _retune,
    Ruling.CUMULATIVE: _fewer,
    Ruling.BASELINE_BROKEN: _mend_baseline,
    Ruling.BASELINE_FLAKY: _steady,
    Ruling.NOTHING_BREAKS: _keep,
    Ruling.INCONCLUSIVE: _spend_more,
    Ruling.SWEPT: _nothing,
    Ruling.CLIMBED: _nothing,
}


def _command(read: Reading, places: Places) -> str:
    return places.run or f"bisect run conf={shlex.quote(clean(read.experiment.name))}"


def _would_run(upcoming: Sequence[frozenset[str]]) -> tuple[Step, ...]:
    return tuple(Step(f"The next run would be {name(label(on))}.") for on in upcoming[:1])


def _leave_out(read: Reading) -> tuple[Step, ...]:
    """Drop the culprits; keep the largest set without them that was seen to train."""
    culprits = read.end.culprits
    drop = " and ".join(names(c) if len(c) == 1 else f"one of {names(c, 'or')}" for c in culprits)
    safe = [
        r
        for r in read.rows
        if r.arm.plain
        and r.arm.additions
        and r.healthy > r.broken
        and not any(c <= r.arm.additions for c in culprits)
    ]
    if not safe:
        return (Step(f"Leave out {drop}."),)
    best = max(safe, key=lambda r: (len(r.arm.additions), r.healthy))
    paste = overrides(read.experiment, best.arm.additions)
    return (Step(f"Leave out {drop}; {best.subject} trains, switched on by:", paste),)


def _mended(read: Reading) -> tuple[Step, ...]:
    """Keep what was convicted, with the change that was seen to mend it; or how to mend it by hand."""
    experiment = read.experiment
    found = []
    for told in whys(read.session):
        standing = [r for r in told.reasons if r.status is not Status.REFUTED]
        proved = next((r for r in standing if r.status is Status.PROVED and r.mend), None)
        which = names(frozenset(told.additions))
        if proved and not _undone(experiment, told.additions, proved.mend):
            paste = overrides(experiment, told.additions, proved.mend)
            keep = f"Or keep {which}, mended" if told.additions else "Mend it"
            found.append(Step(f"{keep}: {_in_words(experiment, proved)}", paste))
        elif told.additions and standing:
            found.append(Step(f"Or mend {which}: {_by_hand(standing[0])}"))
    return tuple(found)


def _in_words(experiment: Experiment, reason: Reason) -> str:
    """What the overrides of a mend put in a part's place, and what to write in the code instead."""
    change, own = change_named(experiment.variants, reason.mend), _by_hand(reason)
    done = capital(MEANS[Variant(change)]) if change in REPLACES else ""
    return own if own.startswith(done) else f"{done}. In the code: {own}"


def _by_hand(reason: Reason) -> str:
    """What to write in the code: of just this case where that is known, else as its check says."""
    return clean(str(reason.finding.evidence.get("mend", reason.finding.remedy.text)))


def _suspected(read: Reading) -> str:
    """How the first suspicion is answered, in words; empty: there is none."""
    reasons = [r for told in whys(read.session) for r in told.reasons]
    found = next((r for r in reasons if r.status is Status.SUSPECTED), None)
    return f" {clean(found.finding.remedy.text)}" if found else ""


def _undone(experiment: Experiment, on: Iterable[str], mend: Sequence[str]) -> bool:
    """Whether a mend sets all that the additions set, so that nothing of them is left."""
    wanted = frozenset(on)
    given = {_key(o) for a in experiment.additions if a.name in wanted for o in a.overrides}
    part = REPLACES.get(change_named(experiment.variants, mend), "")
    replaced = all(part in re.split(r"[./]", key) for key in given) if part else False
    return bool(given) and (replaced or given <= {_key(o) for o in mend})


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _trains_elsewhere(read: Reading) -> tuple[Step, ...]:
    """Keep a culprit at the best learning rate at which it trained."""
    experiment = read.experiment
    found = [(v.culprit, v.trains_at[0]) for v in read.end.lr if v.trains_at]
    return tuple(
        Step(
            f"Train {names(culprit)} at {scale(best)} of the learning rate:",
            overrides(experiment, culprit, _scaled_lr(experiment, culprit, best)),
        )
        for culprit, best in found
    )


def _scaled_lr(experiment: Experiment, on: frozenset[str], by: float) -> tuple[str, ...]:
    """The override that multiplies the learning rate which `on` leaves."""
    lr = experiment.lr
    if lr is None:
        return ()
    value = lr.value
    words = [o for a in experiment.additions if a.name in on for o in a.overrides]
    for word, following in pairwise([*words, ""]):
        key, equals, right = word.partition("=")
        if key.lstrip("+") == lr.key:
            value = _float(right if equals else following, value)
    return (f"{lr.key}={value * by:g}",)


def _float(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def _look(read: Reading, culprits: Sequence[frozenset[str]], places: Places) -> tuple[Step, ...]:
    """The log of the last broken arm of each culprit."""
    if not places.home:
        return ()
    rows = [r for r in map(read.row, map(Arm, culprits)) if r is not None and r.broken]
    logs = [rundir.of(Path(places.home), r.trials[-1]) / rundir.LOG for r in rows]
    return tuple(
        Step(f"Read what {row.subject} says while it trains:", f"less {shlex.quote(str(log))}")
        for row, log in zip(rows, logs, strict=True)
    )


def _others(read: Reading, places: Places) -> tuple[Step, ...]:
    if read.experiment.find is Find.ALL:
        return ()
    return (Step("Look for further culprits:", f"{_command(read, places)} find=all"),)
