"""When two crashes are the same failure."""

import pytest

from bisector.judge.oracle import SymptomOracle
from bisector.judge.signature import crash_signature
from bisector.model.evidence import Evidence, Exit
from bisector.model.experiment import Metric

TRACE = """Traceback (most recent call last):
  File "/home/me/lab/train.py", line 10, in main
    loss = model(x)
  File "/home/me/lab/model.py", line 44, in forward
    return self.head(x)
  File "/env/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 125, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x16 and 32x10)
"""
WRAPPER = """Traceback (most recent call last):
  File "/home/me/lab/build.py", line 3, in make
    return instantiate(node)
hydra.errors.InstantiationException: Error in call to target 'lab.Model'
full_key: model
"""
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"


def detail(log: str, code: object = 1) -> str:
    return crash_signature(log, code).detail


def test_of_a_chain_of_errors_the_one_that_began_it_counts() -> None:
    assert detail(TRACE + CAUSE + WRAPPER) == detail(TRACE)
    assert detail("ValueError: a" + CAUSE + WRAPPER) == "InstantiationException in build.py:make"


def test_an_error_that_was_handled_is_not_the_failure() -> None:
    assert detail(TRACE + HANDLING + WRAPPER) == "InstantiationException in build.py:make"
    assert detail(WRAPPER + HANDLING + TRACE + CAUSE + WRAPPER) == detail(TRACE)


def test_what_is_logged_after_the_error_does_not_matter() -> None:
    assert detail(TRACE + "wandb: uploading\nsrun: error: node7: task 0: Exited\n") == detail(TRACE)


def test_the_rank_that_a_launcher_writes_before_each_line_does_not_matter() -> None:
    assert detail("\n".join(f"[rank0]: {line}" for line in TRACE.splitlines())) == detail(TRACE)


def test_an_error_of_any_name_is_one() -> None:
    assert (
        detail(TRACE.replace("RuntimeError", "lab.errors.Diverged"))
        == "Diverged in model.py:forward"
    )
    assert (
        detail(TRACE.rpartition("RuntimeError")[0] + "StopIteration")
        == "StopIteration in model.py:forward"
    )


def test_the_standard_library_is_not_the_place() -> None:
    library = TRACE.replace(
        "/env/lib/python3.11/site-packages/torch/nn/modules/linear.py",
        "/usr/lib/python3.11/json/decoder.py",
    )
    assert detail(library) == "RuntimeError in model.py:forward"


def test_a_loader_workers_error_is_its_own_and_not_the_loaders() -> None:
    inner = TRACE.replace("Traceback", "Original Traceback")
    outer = (
        WRAPPER.rpartition("hydra")[0]
        + "RuntimeError: Caught RuntimeError in DataLoader worker process 0.\n"
    )
    assert detail(outer + inner) == detail(TRACE)


@pytest.mark.parametrize(("code", "name"), [(-11, "SIGSEGV"), (139, "SIGSEGV"), (134, "SIGABRT")])
def test_a_crash_without_an_error_is_known_by_its_signal(code: int, name: str) -> None:
    assert detail("step 17 loss 0.3", code) == name
    verdict = SymptomOracle(Metric()).judge(Evidence(Exit.CRASHED, facts={"code": code}), ())
    assert verdict.because == f"crashed: {name}"


def test_a_program_that_says_no_more_is_known_by_its_last_line_without_numbers() -> None:
    assert detail("fatal: bad sample 17\n\n") == "fatal: bad sample #"
    assert detail("") == ""


TORCHRUN = """[rank1]: Traceback (most recent call last):
[rank1]:   File "/home/me/lab/train.py", line 5, in main
[rank1]: ValueError: boom
[rank0]: Traceback (most recent call last):
[rank0]:   File "/home/me/lab/train.py", line 8, in main
[rank0]: RuntimeError: Connection closed by peer
Traceback (most recent call last):
  File "/env/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
train.py FAILED
Failures:
[1]:
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 32480)  (SIGTERM)
Root Cause (first observed failure):
[0]:
  rank      : 1 (local_rank: 1)
  exitcode  : 1 (pid: 32481)
"""


def test_of_several_processes_the_one_that_failed_first_counts() -> None:
    assert detail(TORCHRUN) == "ValueError in train.py:main"
    unmarked = TORCHRUN.replace("[rank1]: ", "").replace("rank0", "rank1")
    assert detail(unmarked) == "RuntimeError in train.py:main", "who cannot be told apart"
