"""Begin a check: `python scripts/new_check.py R08b unbalanced_pages --needs labels --title "..."`.

Prints the card and the page to paste into a module of `bisector/checks/`, what a family of facts
that there is not yet takes, the catalogue's line and a test's rows; it writes nothing, since where
a check stands in the order of cause is yours to say.
"""

import argparse
import sys
from string import ascii_lowercase

from bisector.checks.catalogue import CATALOGUE
from bisector.checks.check import FAMILIES, PARTS_OF_A_PAGE
from bisector.checks.reasons import REASONS

CARD = '''\
@check(
    "{id}",
    "{title}",
    needs=({needs},),
    remedy=Remedy("What to do, in one sentence."),
    limits={{"share": Limit(0.1, "where the number comes from")}},
)
def {name}(case: Case) -> Clue | None:
    """What it is, in one sentence.

    {sections}
    """
    share = case.number("{first}", "share")
    if share <= case.limits["share"]:
        return None
    return Clue(f"{{share:.0%}} of ...", {{"share": share}}, Crossed("share", share))
'''

FAMILY = '''\
# bisector/train/facts/{family}.py; only what is read from `scene` is paid for
def {family}(scene: Scene) -> Facts:
    """What is measured, in one sentence."""
    x = scene.train.x
    if not is_numbers(x):
        raise Absent("why these facts cannot be had here")
    return {{"share": 0.0, "samples": scene.train.named(mask)}}

# bisector/checks/check.py, in FAMILIES: what it takes to look, after "needs"
    "{family}": (Stage.DATA, "inputs that are ..."),
# bisector/train/inspection.py, in FAMILIES: the costly ones last
    "{family}": {family}.{family},
'''

TESTS = """\
# bisector/checks/catalogue.py, at its place in the order of cause:
    MODULE.{name},
# tests/checks/data_faults.py (or model_faults.py, loader_faults.py): two severities, two kinds of data
    ("{id}", "image", FAULT(0.02)),
    ("{id}", "image", FAULT(0.1)),
    ("{id}", "table", FAULT(0.1)),
# then: scripts/make_check_pages.py; pytest tests/checks -k "{id} or healthy or catalogue"
"""


def main() -> int:
    """Exit code 2 if the id is taken, or serves no reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id", help="the reason's id, with a letter if it has a check already")
    parser.add_argument("name", help="the function: the ill, in snake case")
    parser.add_argument("--title", required=True, help="the ill, in a few words")
    parser.add_argument(
        "--needs", nargs="+", required=True, metavar="FAMILY",
        help=f"families of facts, of {', '.join(FAMILIES)}; or the name of a new one",
    )  # fmt: skip
    args = parser.parse_args()
    if args.id in {c.id for c in CATALOGUE}:
        parser.error(f"{args.id} is taken")
    if args.id.rstrip(ascii_lowercase) not in {r.id for r in REASONS}:
        parser.error(f"{args.id} serves none of the reasons that `bisect explain` lists")
    sections = "\n\n    ".join(
        f"{part}\n        code" if part in ("Before:", "After:") else f"{part} ..."
        for part in PARTS_OF_A_PAGE
    )
    needs = ", ".join(f'"{n}"' for n in args.needs)
    card = CARD.format(
        id=args.id,
        title=args.title,
        name=args.name,
        needs=needs,
        first=args.needs[0],
        sections=sections,
    )
    print(card)
    for family in (n for n in args.needs if n not in FAMILIES):
        print(FAMILY.format(family=family))
    print(TESTS.format(name=args.name, id=args.id))
    return 0


if __name__ == "__main__":
    sys.exit(main())
