"""The two trials of `bench_launch.py`: one does nothing, the other trains for about a second.

Each writes when it has ended, and how long it took itself, to the file that BENCH_LINES names.
As a script: `python launch_trial.py KIND`.
"""

import os
import sys
import time

STEPS = 600


def noop(*_: object) -> None:
    """Nothing, with torch at hand, as a trial has it."""
    began = time.perf_counter()
    import torch  # noqa: F401, PLC0415 - what it costs to have it is the question.

    _say(began)


def train(*_: object) -> None:
    """Train a small model with one thread."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    began = time.perf_counter()
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(256, 64), torch.randint(0, 10, (256,))
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    _say(began)


def _say(began: float) -> None:
    """Append a line in one write, so that two trials never mix theirs."""
    line = f"{time.time()} {time.perf_counter() - began}\n"
    handle = os.open(os.environ["BENCH_LINES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(handle, line.encode())
    os.close(handle)


KINDS = {"noop": noop, "train": train}

if __name__ == "__main__":
    KINDS[sys.argv[1]]()
