"""How many cores are ours."""

import os
import subprocess
import sys

import pytest

from bisector.launch.cores import _quota, physical_cores


@pytest.mark.parametrize(
    ("text", "cores"),
    [("250000 100000\n", 2), ("50000 100000\n", 0), ("max 100000\n", os.cpu_count())],
)
def test_a_container_s_quota_is_read(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text)
    assert _quota(tmp_path / "cpu.max") == cores


def test_there_is_always_one_core_and_never_more_than_allowed():
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_affinity_is_obeyed():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from bisector.launch.cores import physical_cores; print(physical_cores())"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"
