"""What is asked next is decided upon all that has ended."""

import json

from clusters import verdict_of_a_search

LATE = '''
"""A launcher whose jobs always end after it is asked for them, and before it is asked for slots."""
import time
from bisector.launch.local import LocalLauncher
from bisector.ports import JobState

class Late(LocalLauncher):
    def free_slots(self):
        while any(s is not JobState.ENDED for s in self.poll(list(self._running)).values()):
            time.sleep(0.01)
        return super().free_slots()
'''


def test_a_run_that_ends_between_two_looks_is_judged_before_its_slot_is_filled(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    given = ["_target_=late.Late", "slots=1", "gpus=none"]
    settings = [f"launcher.{setting}" for setting in given]
    assert verdict_of_a_search(tmp_path, tmp_path / "lab.py", *settings) == "culprit [['b']]"
    lines = (tmp_path / "out" / "x" / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    told = [event for event in events if event in ("Launched", "Judged")]
    assert told == ["Launched", "Judged"] * (len(told) // 2)
