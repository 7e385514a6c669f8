"""What is searched as one addition: neighbours, and pieces of code that work only together.

A group that is to blame is taken apart: into its members, and a single file into its hunks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bisector.cli.between_code import parts_of, version_of
from bisector.cli.between_sides import Sides
from bisector.config.difference import Difference, Group, grouped
from bisector.model.session import Session
from bisector.model.verdict import Outcome
from bisector.plan.observations import failure
from bisector.workload.python_needs import needs

AT_ONCE = 64
"""Groups of differences in one search: so many cost hardly more runs than half of them."""
JOINED = " & "
"""In the name of a group whose members need each other."""


def arranged(sides: Sides, found: Sequence[Difference]) -> list[Group]:
    """The groups of differences that are tried together, and what each of them needs."""
    groups = grouped(found, AT_ONCE)
    if not sides.code:
        return groups
    code = sides.code
    wanted = needs({m.name: version_of(code, m) for m in found if m.overrides})
    of = {m.name: g.name for g in groups for m in g.members}
    edges = {g.name: {of[n] for m in g.members for n in wanted.get(m.name, ())} for g in groups}
    return _joined(groups, edges)


def next_level(sides: Sides, groups: Sequence[Group], session: Session) -> list[Group]:
    """What is to be searched next: what is to blame, taken apart; nothing: that is not possible.

    What a culprit was never seen to break without comes along, as it was, and is needed by all of
    its parts.
    """
    end = session.conclusion
    if end is None or not end.ruling.decided:
        return []
    by_name = {g.name: g for g in groups}
    finer: list[Group] = []
    carried: dict[str, Group] = {}
    blamed = frozenset[str]().union(*end.culprits)
    for culprit in end.culprits:
        beside = _broken_with(session, culprit) - blamed
        parts = _apart(sides, [by_name[n] for n in sorted(culprit, key=list(by_name).index)])
        finer += [replace(p, requires=p.requires | beside) for p in parts if p.name not in blamed]
        carried |= {n: by_name[n] for n in _closure(by_name, beside)}
        whole = [p for p in parts if p.name in blamed]
        finer += [replace(p, requires=p.requires | beside) for p in whole]
    if {g.name for g in finer} == blamed:
        return []
    names = {g.name for g in finer} | carried.keys()
    kept = [replace(g, requires=g.requires & names) for g in (*carried.values(), *finer)]
    return list({g.name: g for g in kept}.values())


def _apart(sides: Sides, guilty: Sequence[Group]) -> list[Group]:
    """The members of groups; if there is nothing to take apart, the hunks of the files among them."""
    members = [m for g in guilty for m in g.members]
    parts = arranged(sides, members)
    if {g.name for g in parts} != {g.name for g in guilty} or not sides.code:
        return parts
    code = sides.code
    return arranged(
        sides, [p for m in members for p in (parts_of(code, m) if m.overrides else (m,))]
    )


def _broken_with(session: Session, culprit: frozenset[str]) -> frozenset[str]:
    """The smallest set with the culprit in it that broke in the way that is searched for."""
    wanted = failure(session.experiment, session.judged)
    broken = [
        e.trial.arm.additions
        for e in session.judged
        if e.trial.arm.plain
        and e.verdict.outcome is Outcome.BROKEN
        and (wanted is None or e.verdict.signature is None or e.verdict.signature.like(wanted))
        and culprit <= e.trial.arm.additions
    ]
    return min(broken, key=len, default=culprit)


def _closure(groups: Mapping[str, Group], names: Iterable[str]) -> list[str]:
    """Groups, and all that they need."""
    found: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found and name in groups:
            found.append(name)
            todo += groups[name].requires
    return [n for n in groups if n in found]


def _joined(groups: Sequence[Group], edges: Mapping[str, set[str]]) -> list[Group]:
    """The groups with their needs; those that need each other are one."""
    reach = {name: _reached(name, edges) for name in edges}
    together = {
        name: [g for g in groups if g.name == name or {g.name, name} <= reach[g.name] & reach[name]]
        for name in edges
    }
    named = {name: _name(some) for name, some in together.items()}
    found: dict[str, Group] = {}
    for group in groups:
        some = together[group.name]
        requires = {named[n] for g in some for n in edges[g.name]} - {named[group.name]}
        members = tuple(m for g in some for m in g.members)
        found[named[group.name]] = Group(named[group.name], members, frozenset(requires))
    return list(found.values())


def _reached(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(edges[name])
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += edges[at]
    return found


def _name(some: Sequence[Group]) -> str:
    first = some[0].name
    return first if len(some) == 1 else f"{first}{JOINED}{', '.join(g.name for g in some[1:])}"
