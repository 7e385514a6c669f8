"""What was found, in words: the verdict in one sentence, and the observations it rests on."""

from collections.abc import Callable, Mapping

from bisector.model.experiment import Direction
from bisector.model.session import (
    NOTHING_LEFT,
    Concluded,
    Dormant,
    Effect,
    LrEffect,
    LrVerdict,
    Ruling,
)
from bisector.model.trial import Arm, Purpose
from bisector.report.arms import said
from bisector.report.beliefs import CLEARED, leading, stands_out
from bisector.report.effects import heaviest
from bisector.report.reading import Reading
from bisector.report.why import sentences as why_sentences
from bisector.report.why import whys
from bisector.report.wording import (
    capital,
    clean,
    count,
    listed,
    names,
    number,
    percent,
    scale,
)

_SHOWN = 3


def sentence(read: Reading) -> str:
    """The verdict, or how far the search has come, in one sentence."""
    end = read.session.conclusion
    if end is None:
        return f"No verdict yet after {count(len(read.session.judged), 'run')}{_likeliest(read)}."
    return _SENTENCES[end.ruling](read)


def reasons(read: Reading) -> tuple[str, ...]:
    """The observations the verdict rests on, one sentence each, the decisive ones first."""
    end = read.session.conclusion
    told = _observed(read)
    if end is None or end.ruling is Ruling.INCONCLUSIVE:
        told += _belief(read)
    if end is not None:
        told += _size(read) + [_lr_sentence(v) for v in end.lr] + [dormant(d) for d in end.dormant]
        told += [_because(end)] if end.because and end.ruling is not Ruling.CLIMBED else []
        told += why_sentences(whys(read.session))
    return tuple(dict.fromkeys(told))


def _observed(read: Reading) -> list[str]:
    """What the arms said that a verdict stands on: both ends, the accused, and the proof."""
    if read.session.of(Purpose.SWEEP):
        return []
    end = read.session.conclusion
    wanted = [Arm(), Arm(read.experiment.full)]
    wanted += [Arm(c) for c in end.culprits] if end else []
    wanted += [e.trial.arm for e in read.session.of(Purpose.CONFIRM)]
    rows = [read.row(arm) for arm in dict.fromkeys(wanted)]
    metric = read.experiment.metric.name
    return [f"{capital(r.subject)} {said(r, metric)}." for r in rows if r is not None]


def _culprit(read: Reading) -> str:
    return f"{_who(read.end)} breaks training {_sure(read.end)}{_at_every_lr(read)}."


def _interaction(read: Reading) -> str:
    who, sure = _who(read.end), _sure(read.end)
    return f"{who} break training only together {sure}{_at_every_lr(read)}."


def _several(read: Reading) -> str:
    who, found = _who(read.end), count(len(read.end.culprits), "culprit")
    return f"{found}, each of which breaks training {_sure(read.end)}: {who}."


def _needs_lr(read: Reading) -> str:
    found = [scale(s) for v in read.end.lr for s in v.trains_at]
    where = f": broken at x1, trains at {listed(found)}" if found else ""
    plural = len(frozenset().union(*read.end.culprits)) > 1
    need = "need" if plural else "needs"
    return f"{_who(read.end)} {need} another learning rate {_sure(read.end)}{where}."


def _cumulative(read: Reading) -> str:
    members = heaviest(read.shares)
    weigh = "weigh" if len(members) > 1 else "weighs"
    most = f"; {names(members)} {weigh} most" if members else ""
    return f"No single culprit {_sure(read.end)}: many additions do a little harm each{most}."


def _baseline_broken(read: Reading) -> str:
    return "The baseline itself is broken, with every addition off."


def _baseline_flaky(read: Reading) -> str:
    return "The baseline's own runs disagree too much to judge anything against them."


def _nothing(read: Reading) -> str:
    found = read.end.effect
    if found is None:
        return f"Nothing breaks training: everything on trains like the baseline {_sure(read.end)}."
    if found.high <= 0:
        return f"Nothing breaks training: everything on is no worse than the baseline {_sure(read.end)}."
    if found.negligible:
        return (
            f"Nothing breaks training: no effect worth acting on {_sure(read.end)}; {harm(found)}."
        )
    return f"Nothing breaks training {_sure(read.end)}; {harm(found)}."


def harm(found: Effect) -> str:
    """The size of an effect, with its interval and the line it is held to."""
    size = f"the harm is {found.harm:.2g} ({_interval(found)})"
    return f"{size}, and {found.worth:.2g} would be worth acting on"


def _interval(found: Effect) -> str:
    return f"{percent(found.confidence)} interval {found.low:.2g} to {found.high:.2g}"


def _inconclusive(read: Reading) -> str:
    runs = count(len(read.session.started), "run")
    if read.end.because.startswith(NOTHING_LEFT):
        return f"No verdict after {runs}, and more of them would not tell{_likeliest(read)}."
    return f"No verdict: the budget was spent after {runs}{_likeliest(read)}."


def _swept(read: Reading) -> str:
    scored = [r for r in read.rows if r.score is not None and r.healthy]
    settings = count(len(read.rows), "setting")
    if not scored:
        return f"None of the {settings} swept trained."
    metric = read.experiment.metric
    sign = 1 if metric.direction is Direction.MAXIMIZE else -1
    best = max(scored, key=lambda r: sign * (r.score or 0.0))
    which = f"{capital(best.subject)} is the best of {settings}"
    return f"{which} ({clean(metric.name)} {number(best.score)})."


def _climbed(read: Reading) -> str:
    return _because(read.end)


_SENTENCES: Mapping[Ruling, Callable[[Reading], str]] = {
    Ruling.CULPRIT: _culprit,
    Ruling.INTERACTION: _interaction,
    Ruling.SEVERAL: _several,
    Ruling.NEEDS_LR: _needs_lr,
    Ruling.CUMULATIVE: _cumulative,
    Ruling.BASELINE_BROKEN: _baseline_broken,
    Ruling.BASELINE_FLAKY: _baseline_flaky,
    Ruling.NOTHING_BREAKS: _nothing,
    Ruling.INCONCLUSIVE: _inconclusive,
    Ruling.SWEPT: _swept,
    Ruling.CLIMBED: _climbed,
}


def _sure(end: Concluded) -> str:
    return f"({percent(end.confidence)} sure)"


def _who(end: Concluded) -> str:
    """`a` and `b`; sets of several that break together are set off by semicolons."""
    if len(end.culprits) == 1 or all(len(c) == 1 for c in end.culprits):
        return names(frozenset().union(*end.culprits))
    return "; ".join(names(c, "with") for c in end.culprits)


def _likeliest(read: Reading) -> str:
    if not read.beliefs:
        return ""
    if not stands_out(read.beliefs):
        return "; no explanation stands out"
    top = read.beliefs[0]
    return f"; likeliest is {top.phrase} ({percent(top.probability)})"


def _at_every_lr(read: Reading) -> str:
    end = read.end
    held = [v for v in end.lr if v.effect is LrEffect.BROKEN_AT_EVERY_LR]
    if not held or {v.culprit for v in held} != set(end.culprits):
        return ""
    scales = ", ".join(scale(s) for s in sorted({s for v in held for s in v.tried}))
    return f": broken at every learning rate tried{f' ({scales})' if scales else ''}"


def _size(read: Reading) -> list[str]:
    """How much worse the accused are, where that is not in the verdict itself."""
    end = read.end
    if end.effect is None or not end.blamed or read.experiment.also:
        return []
    alone = len(end.blamed) == 1 and end.ruling is not Ruling.CUMULATIVE
    who = names(end.effect.arm) if alone else "everything on"
    verb = "costs" if len(end.effect.arm) == 1 or not alone else "together cost"
    found = f"{number(end.effect.harm)} of {clean(read.experiment.metric.name)}"
    return [f"{capital(who)} {verb} {found} ({_interval(end.effect)})."]


def _lr_sentence(verdict: LrVerdict) -> str:
    why = f" ({clean(verdict.because)})" if verdict.because else ""
    match verdict.effect:
        case LrEffect.BROKEN_AT_EVERY_LR:
            return f"No learning rate tried mends {names(verdict.culprit)}{why}."
        case LrEffect.NOT_SWEPT:
            return f"The learning rate of {names(verdict.culprit)} was not varied{why}."
        case _:
            at = listed([scale(s) for s in verdict.trains_at])
            return f"At learning rate {at}, {names(verdict.culprit)} trains{why}."


def dormant(found: Dormant) -> str:
    """What is to be said of a dormant culprit."""
    they = "them" if len(found.culprit) > 1 else "it"
    return (
        f"{names(found.culprit)} would break training too ({percent(found.probability)} sure), "
        f"but {names(found.rescuers)} keeps {they} harmless while everything is on."
    )


def _because(end: Concluded) -> str:
    return capital(clean(end.because).rstrip(".")) + "."


def _belief(read: Reading) -> list[str]:
    told = []
    if read.beliefs:
        top = [f"{b.phrase} ({percent(b.probability)})" for b in leading(read.beliefs, _SHOWN)]
        told += [f"Likeliest: {'; '.join(top)}."]
    if read.cleared:
        told += [f"Ruled out (at most {100 * CLEARED:.0f} % each): {names(read.cleared)}."]
    return told
