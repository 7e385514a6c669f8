import json
import signal
from math import isnan
from pathlib import Path

import pytest

from bisector.collect.native import NativeCollector
from bisector.model.evidence import Exit


def ended(rundir: Path, code: int, reason: str = "exited", log: str = "") -> Exit:
    rundir.mkdir(exist_ok=True)
    (rundir / "exit.json").write_text(json.dumps({"code": code, "reason": reason}))
    (rundir / "log.txt").write_text(log)
    return NativeCollector().collect(rundir).exit


@pytest.mark.parametrize(
    ("code", "reason", "log", "expected"),
    [
        (0, "exited", "", Exit.CLEAN),
        (1, "exited", "ValueError: no", Exit.CRASHED),
        (125, "exited", "", Exit.SKIPPED),
        (78, "exited", "", Exit.ENVIRONMENT),
        (79, "exited", "", Exit.OUT_OF_MEMORY),
        (137, "exited", "", Exit.KILLED),
        (139, "exited", "Segmentation fault", Exit.CRASHED),
        (-signal.SIGKILL, "signalled", "", Exit.KILLED),
        (-signal.SIGSEGV, "signalled", "", Exit.CRASHED),
        (-9, "timed-out", "", Exit.TIMED_OUT),
        (-9, "out-of-memory", "", Exit.OUT_OF_MEMORY),
        (-15, "cancelled", "", Exit.CANCELLED),
        (127, "environment", "", Exit.ENVIRONMENT),
        (1, "exited", "OSError: [Errno 28] No space left on device", Exit.ENVIRONMENT),
        (
            1,
            "exited",
            "RuntimeError: [enforce fail at x.cc:1] . unexpected pos 2 vs 1",
            Exit.ENVIRONMENT,
        ),
        (
            1,
            "exited",
            "RuntimeError: CUDA error: devices are busy or unavailable\n" + "hint\n" * 4,
            Exit.ENVIRONMENT,
        ),
        (
            1,
            "exited",
            "RuntimeError: CUDA error: device-side assert triggered\n" + "hint\n" * 4,
            Exit.CRASHED,
        ),
        (1, "exited", "RuntimeError: DataLoader worker is out of shared memory", Exit.ENVIRONMENT),
        (1, "exited", "cp: error writing 'x': No space left on device", Exit.ENVIRONMENT),
        (1, "exited", "ModuleNotFoundError: No module named 'timm'", Exit.ENVIRONMENT),
        (1, "exited", "torch.OutOfMemoryError: CUDA out of memory.", Exit.OUT_OF_MEMORY),
        (1, "exited", "No space left on device\n" * 1 + "a\nb\nc\nKeyError: 1", Exit.CRASHED),
    ],
)
def test_every_way_to_end_is_told_apart(
    tmp_path: Path, code: int, reason: str, log: str, expected: Exit
) -> None:
    assert ended(tmp_path / "run", code, reason, log) is expected


def test_a_run_without_an_end_is_running_and_its_last_line_may_be_half_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 0, "name": "train/loss", "value": 2.5}\n'
        '{"step": 1, "name": "train/loss", "value": NaN}\n'
        "not a reading\n"
        '{"step": 2, "name": "train/lo'
    )
    evidence = NativeCollector({"train/loss": "loss"}).collect(tmp_path)
    assert evidence.exit is Exit.RUNNING
    assert evidence.curves["loss"].steps == (0, 1)
    assert isnan(evidence.curves["loss"].last)


def test_facts_come_from_the_run_and_from_its_end(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text('{"planned_steps": 450}')
    (tmp_path / "exit.json").write_text('{"code": 0, "reason": "exited", "seconds": 1.5}')
    facts = NativeCollector().collect(tmp_path).facts
    assert (facts["planned_steps"], facts["seconds"]) == (450, 1.5)


def test_only_the_end_of_a_long_log_is_kept(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("x" * 50_000 + "\nthe end")
    log = NativeCollector().collect(tmp_path).log_tail
    assert log.endswith("the end")
    assert len(log) < 10_000
