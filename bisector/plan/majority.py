"""Searches that settle one set at a time by a majority of repeated runs.

Such a search is a generator: it yields the set whose verdict it needs, is sent whether
that set fails, and returns the minimal failing sets it found. Replaying it on what is
known, with guesses for what is not, gives the runs to ask for now and ahead of time.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from bisector.model.experiment import Experiment
from bisector.model.session import Ruling, Session, Suspect
from bisector.plan.adaptive import AdaptivePlanner
from bisector.plan.observations import Observations, Subset, observe
from bisector.ports import Accusation

Culprits = tuple[Subset, ...]
Search = Generator[Subset, bool, Culprits]
Procedure = Callable[[Experiment], Search]

AHEAD = 200
"""Guessed verdicts after which looking further ahead is idle."""
INTERACTION = 3
"""Most additions that are taken to break training only together."""


@dataclass(frozen=True, slots=True)
class Majority:
    """Which sets fail, by the majority of `repeats` runs; a set that cannot be judged does not."""

    seen: Observations
    repeats: int

    def verdict(self, subset: Subset) -> bool | None:  # None: not settled yet
        """Whether the set fails; None until one side cannot lose the vote any more."""
        failed, passed = self._votes(subset)
        if 2 * max(failed, passed) > self.repeats:
            return failed > passed
        return None

    def missing(self, subset: Subset) -> int:
        """Fewest runs that can settle the set, runs that are training counted as done."""
        most = max(self._votes(subset))
        return max(0, self.repeats // 2 + 1 - most - self.seen.pending.count(subset))

    def guess(self, subset: Subset) -> bool:
        """The likelier verdict: that of its runs so far, else that it trains."""
        failed, passed = self._votes(subset)
        return failed > passed

    def _votes(self, subset: Subset) -> tuple[int, int]:
        failed, passed = self.seen.count(subset)
        return failed, passed + self.seen.unresolved.count(subset)


def decide(
    session: Session, slots: int, procedure: Procedure, repeats: int
) -> tuple[Subset, ...] | Accusation:
    """The runs that a search needs now, those it may need next, or what it found."""
    seen = observe(session)
    majority = Majority(seen, repeats)
    wanted, culprits = replay(procedure(session.experiment), majority, slots)
    if culprits is not None:
        return _accuse(session, majority, culprits)
    left = session.experiment.budget.trials - session.spent
    if left > 0:
        return wanted[: min(slots, left)]
    if seen.pending:
        return ()
    return Accusation(Suspect((), 0.0), "the budget is spent", Ruling.INCONCLUSIVE)


def adds_up(culprits: Sequence[Subset]) -> bool:
    """Whether sets look like harm that adds up: large ones, and some additions in several of them.

    Where many additions weigh a little each, one minimal set that crosses the line is as good
    as any other, and a search for such sets goes on for ever.
    """
    large = [c for c in culprits if len(c) > INTERACTION]
    return any(one & other for one, other in combinations(large, 2))


def replay(
    search: Search, majority: Majority, slots: int
) -> tuple[tuple[Subset, ...], Culprits | None]:
    """Up to `slots` runs to ask for, and what was found, once nothing had to be guessed."""
    wanted: list[Subset] = []
    guesses: Counter[Subset] = Counter()
    try:
        subset = next(search)
        while len(wanted) < slots and guesses.total() < AHEAD:
            verdict = majority.verdict(subset)
            if verdict is None:
                if not guesses[subset]:
                    wanted += [subset] * majority.missing(subset)
                guesses[subset] += 1
                verdict = majority.guess(subset)
            subset = search.send(verdict)
    except StopIteration as end:
        if not guesses:
            return (), end.value
    return tuple(wanted[:slots]), None


def reduce(items: Sequence[str], fixed: Subset, experiment: Experiment) -> Search:
    """Delta debugging: one minimal part of `items` that still fails together with `fixed`."""
    kept, parts = tuple(items), 2
    while len(kept) > 1:
        for smaller, next_parts in _smaller(kept, parts):
            subset = fixed | frozenset(smaller)
            if experiment.admits(subset) and (yield subset):
                kept, parts = smaller, next_parts
                break
        else:
            if parts >= len(kept):
                break
            parts = min(len(kept), 2 * parts)
    return (_needed_by_none(frozenset(kept), experiment),)


def _needed_by_none(kept: Subset, experiment: Experiment) -> Subset:
    """The set less what is only in it because others in it cannot run without it."""
    direct = {a.name: a.requires for a in experiment.additions}
    return kept - frozenset().union(*(direct[name] for name in kept))


def _smaller(items: tuple[str, ...], parts: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Each part alone, then the items less each part, with how finely to cut next."""
    edges = [round(i * len(items) / parts) for i in range(parts + 1)]
    chunks = [items[a:b] for a, b in pairwise(edges)]
    for chunk in chunks:
        yield chunk, 2
    if parts > 2:
        for chunk in chunks:
            yield tuple(i for i in items if i not in chunk), max(parts - 1, 2)


def _accuse(session: Session, majority: Majority, culprits: Culprits) -> Accusation:
    named = tuple(sorted(culprits, key=lambda c: (len(c), sorted(c))))
    ranked = AdaptivePlanner().rank(session)
    if adds_up(culprits):
        heap = next(s for s in ranked if s.cumulative)
        because = "no culprit: ever other sets cross the line, the harm of many additions adds up"
        return Accusation(heap, because, Ruling.CUMULATIVE)
    suspect = Suspect(named, next((s.probability for s in ranked if s.culprits == named), 0.0))
    if culprits:
        return Accusation(suspect, f"settled by the majority of {majority.repeats} runs a set")
    if majority.guess(session.experiment.full):
        because = "the full recipe fails, but no step towards it does"
        return Accusation(suspect, because, Ruling.INCONCLUSIVE)
    return Accusation(suspect, "no step broke, nor did the whole", Ruling.NOTHING_BREAKS)
