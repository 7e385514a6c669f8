"""`bisect between GOOD BAD`: which of the differences breaks training?

All that differs becomes an addition to the good configuration, and the search is the usual one.
Where there are very many, neighbours are tried together and taken apart only if they are to blame.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence

from bisector.cli.between_experiment import CODE, experiment_of
from bisector.cli.between_sides import Sides, sides_of
from bisector.cli.from_shell import SAVED, Conf, save_as
from bisector.cli.given import Given, recorded
from bisector.cli.run import asked
from bisector.cli.search import search
from bisector.config.difference import Difference, Group, grouped
from bisector.errors import ConfigError
from bisector.report.wording import clean, count, cut

AT_ONCE = 64
"""Groups of differences in one search: so many cost hardly more runs than half of them."""


def main(args: argparse.Namespace) -> int:
    """Search, or with --dry-run only show what would be searched.

    Returns:
        As `bisect run`; 0 with --dry-run.

    Raises:
        ConfigError: the two sides cannot be compared, or do not differ.
    """
    sides = sides_of(args)
    if not sides.found and not sides.code:
        raise ConfigError(
            "The two configurations do not differ.",
            hint="Compare code as well: GOOD=git:REV; or look at data and package versions.",
        )
    groups = grouped(sides.found, AT_ONCE)
    _tell(args, sides, groups)
    if args.dry_run:
        return 0
    code = _search(args, sides, groups, 1)
    level = 1
    while guilty := _to_take_apart(args, sides, groups, level):
        level += 1
        groups = grouped(guilty, AT_ONCE)
        print(f"\nTaken apart: {count(len(groups), 'difference')} of what is to blame.\n")
        code = _search(args, sides, groups, level)
    return code


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


def _to_take_apart(
    args: argparse.Namespace, sides: Sides, groups: Sequence[Group], level: int
) -> list[Difference]:
    """The members of what was convicted, if it holds more than one; none: the search is over."""
    _, session = recorded(Given.of(_worded(args, _name(sides, level))))
    end = session.conclusion
    if end is None or not end.ruling.decided:
        return []
    blamed = frozenset[str]().union(*end.culprits)
    guilty = [g for g in groups if g.name in blamed]
    return [m for g in guilty for m in g.members] if any(len(g.members) > 1 for g in guilty) else []


def _name(sides: Sides, level: int) -> str:
    """A name that the comparison alone decides, so that the same command goes on."""
    told = json.dumps([sides.code, [[d.name, d.good, d.bad] for d in sides.found]], default=str)
    stem = sides.path.stem if sides.path else "between"
    tail = f"-{level}" if level > 1 else ""
    return f"{stem}-{hashlib.sha256(told.encode()).hexdigest()[:6]}{tail}"


def _tell(args: argparse.Namespace, sides: Sides, groups: Sequence[Group]) -> None:
    if args.json:
        if args.dry_run:
            print(json.dumps([_as_json(g) for g in groups], indent=1, default=str))
        return
    differ = count(len(sides.found), "difference")
    together = f", in {count(len(groups), 'group')}" if len(groups) < len(sides.found) else ""
    print(f"{differ}{together}{' and the code' if sides.code else ''}\n")
    if sides.code:
        bad = sides.code[1] or "the working folder"
        print(f"  {CODE:<30} changed   {sides.code[0]} -> {bad}")
    for group in groups:
        for member in group.members:
            print(f"  {_line(member)}")
    print()


def _line(difference: Difference) -> str:
    values = [
        "-" if value is None else cut(clean(json.dumps(value, default=str)), 36)
        for value in (difference.good, difference.bad)
    ]
    name = cut(clean(difference.name), 40)
    return f"{name:<30} {difference.change:<9} {values[0]} -> {values[1]}"


def _as_json(group: Group) -> Conf:
    members = [
        {"key": d.name, "change": d.change, "good": d.good, "bad": d.bad} for d in group.members
    ]
    return {"addition": group.name, "differences": members}
