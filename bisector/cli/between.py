"""`bisect between GOOD BAD`: which of the differences breaks training?

All that differs becomes an addition to the good configuration, and the search is the usual one.
Where there are very many, neighbours are tried together and taken apart only if they are to blame;
so is a file of the code, into its hunks.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO

from bisector.cli.between_code import told_of
from bisector.cli.between_experiment import experiment_of
from bisector.cli.between_groups import JOINED, arranged, next_level
from bisector.cli.between_sides import Sides, sides_of
from bisector.cli.from_shell import SAVED, Conf, save_as
from bisector.cli.given import Given, recorded
from bisector.cli.run import asked
from bisector.cli.search import search
from bisector.config.difference import Difference, Group
from bisector.errors import ConfigError
from bisector.model.session import Session
from bisector.report.wording import clean, count, cut


def main(args: argparse.Namespace) -> int:
    """Search, or with --dry-run only show what would be searched.

    Returns:
        As `bisect run`; 0 with --dry-run.

    Raises:
        ConfigError: the two sides cannot be compared, or do not differ.
    """
    sides = sides_of(args)
    if not sides.all:
        raise ConfigError(
            "The two sides do not differ.",
            hint="Look at data and package versions."
            if sides.code
            else "Compare code as well: GOOD=git:REV; or look at data and package versions.",
        )
    groups = arranged(sides, sides.all)
    _tell(args, sides, groups)
    return 0 if args.dry_run else _descend(args, sides, groups)


def _descend(args: argparse.Namespace, sides: Sides, groups: Sequence[Group]) -> int:
    """Search, and search what is to blame more finely, as long as it can be taken apart."""
    level = 1
    while True:
        said = StringIO()
        # As JSON only the last verdict is told, so that it is one document.
        with redirect_stdout(said if args.json else sys.stdout):
            code = _search(args, sides, groups, level)
        _, session = recorded(Given.of(_worded(args, _name(sides, level))))
        finer = next_level(sides, groups, session)
        if not finer:
            break
        groups, level = finer, level + 1
        if not args.json:
            print(f"\nTaken apart: {count(len(groups), 'difference')} of what is to blame.\n")
    _conclude(args, _told(sides, groups, session), said.getvalue())
    return code


def _blamed(groups: Sequence[Group], session: Session) -> list[Difference]:
    """The pieces of code that were convicted."""
    end = session.conclusion
    names = frozenset[str]().union(*end.blamed) if end else frozenset[str]()
    return [m for g in groups if g.name in names for m in g.members if m.overrides]


def _needed(groups: Sequence[Group], blamed: Sequence[Difference]) -> list[Difference]:
    """What the convicted pieces do not run without, so that it is on wherever they are."""
    # Not by sets: a setting's values may be mappings.
    guilty = [g for g in groups if any(m in blamed for m in g.members)]
    wanted = {n for g in guilty for n in g.requires}
    return [m for g in groups if g.name in wanted for m in g.members if m not in blamed]


def _told(sides: Sides, groups: Sequence[Group], session: Session) -> list[Mapping[str, list[str]]]:
    """Of the convicted pieces of code, and of what they need, by name: who brought it, and what it is."""
    code = sides.code
    if code is None:
        return [{}, {}]
    blamed = _blamed(groups, session)
    return [{m.name: told_of(code, m) for m in some} for some in (blamed, _needed(groups, blamed))]


def _conclude(args: argparse.Namespace, told: Sequence[Mapping[str, list[str]]], said: str) -> None:
    """Say what was convicted of the code, what it needs, and who brought it."""
    blamed, needed = told
    if args.json:
        if said.strip():
            print(json.dumps({**json.loads(said), "code": blamed}, indent=1))
        return
    for how, pieces in (("brought by", blamed), ("which it needs, brought by", needed)):
        for name, lines in pieces.items():
            print(f"\n{clean(name)}, {how}")
            for line in lines:
                print(clean(line))


def _search(args: argparse.Namespace, sides: Sides, groups: Sequence[Group], level: int) -> int:
    conf = experiment_of(args, sides, groups)
    name = _name(sides, level)
    save_as(args.out, name, conf)
    return search(args, asked(_worded(args, name)))


def _worded(args: argparse.Namespace, name: str) -> argparse.Namespace:
    """The command line as that of `bisect run` on the experiment that was made."""
    settings = [w for w in args.settings if not w.startswith("name=")]
    named = {**vars(args), "words": [f"conf={name}", *settings], "conf_dir": args.out / SAVED}
    return argparse.Namespace(**named)


def _name(sides: Sides, level: int) -> str:
    """A name that the comparison alone decides, so that the same command goes on."""
    code = [sides.code.good, sides.code.bad] if sides.code else None
    told = json.dumps([code, [[d.name, d.good, d.bad] for d in sides.found]], default=str)
    stem = sides.path.stem if sides.path else "between"
    tail = f"-{level}" if level > 1 else ""
    return f"{stem}-{hashlib.sha256(told.encode()).hexdigest()[:6]}{tail}"


def _tell(args: argparse.Namespace, sides: Sides, groups: Sequence[Group]) -> None:
    for module in sides.code.modules if sides.code else ():
        sys.stderr.write(f"note: {module} is a submodule: every run sees it as it is here now\n")
    if args.json:
        if args.dry_run:
            print(json.dumps([_as_json(g) for g in groups], indent=1, default=str))
        return
    differ = count(len(sides.all), "difference")
    together = f", in {count(len(groups), 'group')}" if len(groups) < len(sides.all) else ""
    print(f"{differ}{together}\n")
    for group in groups:
        for member in group.members:
            print(f"  {_line(sides, member)}")
        if group.requires:
            print(f"{'':<33}needs     {cut(clean(', '.join(sorted(group.requires))), 60)}")
        if len(group.members) > 1:
            why = ", as they need each other" if JOINED in group.name else ""
            print(f"{'':<33}together{why}")
    print()


def _line(sides: Sides, difference: Difference) -> str:
    name = cut(clean(difference.name), 40)
    if difference.overrides:
        commits = sides.code.commits.get(difference.name, ()) if sides.code else ()
        last = cut(clean(commits[0]), 60) if commits else ""
        more = f" (+{len(commits) - 1})" if len(commits) > 1 else ""
        return f"{name:<30} {difference.change:<9} {last}{more}"
    values = [
        "-" if value is None else cut(clean(json.dumps(value, default=str)), 36)
        for value in (difference.good, difference.bad)
    ]
    return f"{name:<30} {difference.change:<9} {values[0]} -> {values[1]}"


def _as_json(group: Group) -> Conf:
    members = [
        {"key": d.name, "change": d.change, "good": d.good, "bad": d.bad} for d in group.members
    ]
    needed = {"requires": sorted(group.requires)} if group.requires else {}
    return {"addition": group.name, "differences": members, **needed}
