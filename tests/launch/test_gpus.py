"""Which GPU a job gets, with a driver that is not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bisector.launch.gpus import Gpu, select

PRESENT = [Gpu(f"GPU-{n}aaa", (f"GPU-{n}aaa",)) for n in range(4)]
CUT = [*PRESENT[:2], Gpu("GPU-2aaa", ("MIG-2s1", "MIG-2s4")), Gpu("GPU-3aaa", ())]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("", ()),
        ("2,0", ("GPU-2aaa", "GPU-0aaa")),
        ("0,-1,2", ("GPU-0aaa",)),
        ("1,9,2", ("GPU-1aaa",)),
        ("GPU-3, GPU-0aaa", ("GPU-3aaa", "GPU-0aaa")),
        ("GPU-", ()),
        ("1,2,1", ()),
        ("GPU-1,GPU-1aaa", ()),
        ("1,GPU-2aaa", ("GPU-1aaa",)),
        ("GPU-1,2", ("GPU-1aaa",)),
        ("MIG-5c1", ("MIG-5c1",)),
    ],
)
def test_names_mean_what_cuda_takes_them_for(names, chosen):
    assert select(names, PRESENT) == chosen


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ("1,2", ("GPU-1aaa", "MIG-2s1", "MIG-2s4")),
        ("GPU-2", ("MIG-2s1", "MIG-2s4")),
        ("MIG-2s4", ("MIG-2s4",)),
        ("MIG-2s4,MIG-2s9,MIG-2s1", ("MIG-2s4",)),
        ("3", ()),
    ],
)
def test_a_gpu_that_is_cut_stands_for_its_slices(names, chosen):
    assert select(names, CUT) == chosen


def on_four_gpus(code, **env):
    """The JSON that `code` prints on a machine with four GPUs."""
    preamble = (
        "import json, os, sys, tempfile; from pathlib import Path\n"
        "from bisector.errors import LaunchError\n"
        "from bisector.launch.local import LocalLauncher\n"
        "from bisector.ports import Job, Limits\n"
        "def start(launcher, gpus=0):\n"
        "    rundir = Path(tempfile.mkdtemp())\n"
        "    wait = os.environ.get('FAKE_SECONDS', '60')\n"
        "    sleep = (sys.executable, '-c', f'import time; time.sleep({wait})')\n"
        "    (handle,) = launcher.submit([Job(sleep, rundir, limits=Limits(gpus=gpus))])\n"
        "    handles.append(handle)\n"
        "    return json.loads((rundir / 'job.json').read_text())['env']['CUDA_VISIBLE_DEVICES']\n"
        "handles = []\n"
        "def done(value): launcher.cancel(handles); print(json.dumps(value))\n"
    )
    fake = str(Path(__file__).parent / "probes" / "fake_nvml")
    env = {**os.environ, "PYTHONPATH": fake, **env}
    argv = [sys.executable, "-c", preamble + code]
    return json.loads(subprocess.check_output(argv, env=env, text=True))


def test_each_job_gets_a_free_gpu_of_its_own():
    code = """
launcher = LocalLauncher(warm=False)
seen = [launcher.free_slots(), start(launcher), start(launcher), launcher.free_slots()]
launcher.cancel(handles[:1])
done([*seen, launcher.free_slots(), start(launcher)])
"""
    free, first, second, left, after, third = on_four_gpus(code, FAKE_BUSY="1")
    assert (free, left, after) == (3, 1, 2)
    assert (first, second) == ("GPU-0aaa", "GPU-2aaa")
    assert third == "GPU-0aaa"


def test_only_visible_gpus_are_used():
    code = "launcher = LocalLauncher(warm=False); done([launcher.free_slots(), start(launcher)])"
    assert on_four_gpus(code, CUDA_VISIBLE_DEVICES="3,2") == [2, "GPU-3aaa"]


def test_a_job_may_need_several():
    code = """
launcher = LocalLauncher(warm=False, gpus_per_job=2)
done([launcher.free_slots(), start(launcher, gpus=2), launcher.free_slots(), start(launcher)])
"""
    assert on_four_gpus(code) == [2, "GPU-0aaa,GPU-1aaa", 1, "GPU-2aaa,GPU-3aaa"]


def test_more_slots_than_gpus_share_them_evenly():
    code = """
launcher = LocalLauncher(warm=False, gpus="0,1", slots=4)
done([launcher.free_slots(), *(start(launcher)[4] for _ in range(4)), launcher.free_slots()])
"""
    assert on_four_gpus(code, FAKE_BUSY="0,1") == [4, "0", "1", "0", "1", 0]


def test_adopted_jobs_keep_their_gpus():
    code = """
launcher = LocalLauncher(warm=False); start(launcher)
launcher = LocalLauncher(warm=False); launcher.poll(handles)
done([launcher.free_slots(), start(launcher)])
"""
    assert on_four_gpus(code) == [3, "GPU-1aaa"]


def test_a_machine_whose_gpus_are_all_taken_is_refused_with_a_hint():
    code = """
launcher = LocalLauncher(warm=False)
try: launcher.free_slots()
except LaunchError as e: done([str(e), e.hint])
"""
    said, hint = on_four_gpus(code, FAKE_BUSY="0,1,2,3")
    assert "in use by others" in said
    assert "launcher.gpus=" in hint


def test_a_search_may_be_told_to_stay_off_the_gpus():
    code = "launcher = LocalLauncher(warm=False, gpus='none', slots=1); done([launcher.free_slots(), start(launcher)])"
    assert on_four_gpus(code) == [1, ""]


def test_without_a_driver_jobs_run_on_the_cpu():
    code = "launcher = LocalLauncher(warm=False, slots=3); done(launcher.free_slots())"
    assert on_four_gpus(code, FAKE_NO_DRIVER="1") == 3


def test_jobs_share_a_gpu_where_they_may():
    code = """
launcher = LocalLauncher(warm=False, gpus="0,1", slots_per_gpu=2)
done([launcher.free_slots(), *(start(launcher)[4] for _ in range(3)), launcher.free_slots()])
"""
    assert on_four_gpus(code) == [4, "0", "1", "0", 1]


def test_how_many_jobs_share_a_gpu_is_learnt_from_the_memory_that_the_first_one_uses():
    code = """
import time
launcher = LocalLauncher(warm=False, gpus="0,1", slots_per_gpu=None)
before = launcher.free_slots()
start(launcher)
time.sleep(1.1)
launcher.poll(handles)
{end}
done([before, launcher.free_slots()])
"""
    well = "while launcher.poll(handles)[handles[0]] == 'running': time.sleep(0.05)"
    learnt = on_four_gpus(code.format(end=well), FAKE_USED="20", FAKE_SECONDS="1.5")
    assert learnt == [2, 6], "three of 20 GB on each of 80 GB"
    cut_short = on_four_gpus(code.format(end="launcher.cancel(handles)"), FAKE_USED="20")
    assert cut_short == [2, 2], "it may not have come to what it needs"


def test_each_slice_of_a_gpu_goes_to_a_job_of_its_own():
    code = """
launcher = LocalLauncher(warm=False)
seen = [launcher.free_slots(), start(launcher), start(launcher), launcher.free_slots()]
try: LocalLauncher(warm=False, gpus_per_job=2)
except LaunchError as e: done([*seen, str(e)])
"""
    told = {"FAKE_MIG": "1", "FAKE_BUSY": "0,1s1,2", "CUDA_VISIBLE_DEVICES": "0,1,2"}
    *seen, said = on_four_gpus(code, **told)
    assert seen == [1, "MIG-1s4", "GPU-0aaa", 0]
    assert "slices" in said


def test_gpus_that_are_not_ours_or_broke_down_hide_no_others():
    """Nor do the numbers of CUDA_VISIBLE_DEVICES count what a process may not open."""
    code = "launcher = LocalLauncher(warm=False); done([launcher.free_slots(), start(launcher)])"
    told = {"FAKE_CLOSED": "0", "FAKE_LOST": "1"}
    assert on_four_gpus(code, **told) == [2, "GPU-2aaa"]
    assert on_four_gpus(code, **told, CUDA_VISIBLE_DEVICES="2") == [1, "GPU-3aaa"]


def test_a_search_that_has_begun_waits_for_gpus_that_others_have_taken_meanwhile():
    code = """
launcher = LocalLauncher(warm=False, gpus_per_job=2)
seen = [launcher.free_slots(), start(launcher)]
launcher.cancel(handles)
os.environ["FAKE_BUSY"] = "0,1,2"
done([*seen, launcher.free_slots()])
"""
    assert on_four_gpus(code) == [2, "GPU-0aaa,GPU-1aaa", 0]


def test_limits_gpus_is_what_slots_are_counted_by():
    """As many runs at a time as there are pairs of GPUs, and not as there are GPUs."""
    code = """
from bisector.cli.assemble import launcher_of
from bisector.config.compose import Composer
launcher = launcher_of(Composer("digits", ("limits.gpus=2",)), None)
done([launcher.free_slots(), start(launcher, gpus=2), launcher.free_slots()])
"""
    assert on_four_gpus(code) == [2, "GPU-0aaa,GPU-1aaa", 1]
