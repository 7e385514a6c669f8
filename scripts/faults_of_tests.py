"""The recipes and faults that the tests of the checks are made of, for a bench to import."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "checks"))

from check_gallery import KINDS, made
from every_fault import EveryFault, every_fault

__all__ = ["KINDS", "EveryFault", "every_fault", "made"]
