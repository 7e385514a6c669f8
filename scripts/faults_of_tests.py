"""The recipes and faults that the tests of the checks are made of, for a bench to import."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "checks"))

from check_gallery import KINDS, made
from every_fault import EveryFault, every_fault
from every_slip import UNFINISHED, WORKING, Planted, planted
from plain_recipe_faults import PLAIN_RECIPE_FAULTS
from run_faults import FAULTS as RUN_FAULTS
from run_gallery import Fault, recipe
from stranger_seen import seen, told, warned

STRANGERS = WORKING
"""Trainings in which nothing is wrong, by name."""
FINISHED = [name for name in WORKING if name not in UNFINISHED]

__all__ = [
    "FINISHED",
    "KINDS",
    "PLAIN_RECIPE_FAULTS",
    "RUN_FAULTS",
    "STRANGERS",
    "EveryFault",
    "Fault",
    "Planted",
    "every_fault",
    "made",
    "planted",
    "recipe",
    "seen",
    "told",
    "warned",
]
