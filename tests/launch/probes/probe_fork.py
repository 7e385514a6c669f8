"""A job that tells what kind of process it was given."""

import atexit
import json
import os
import random
import sys
import threading
import time

warm = "torch" in sys.modules

import numpy as np  # noqa: E402
import torch  # noqa: E402

OPEN = open("left_open.txt", "w")  # noqa: SIM115
OPEN.write("written all the same")


def late() -> None:
    time.sleep(0.2)
    with open("thread.txt", "w") as file:
        file.write("done")


if __name__ == "__main__":
    atexit.register(lambda: open("atexit.txt", "w").close())
    threading.Thread(target=late).start()
    told = {
        "warm": warm,
        "threads": torch.get_num_threads(),
        "random": [random.random(), float(np.random.rand()), float(torch.rand(1))],
        "argv": sys.argv,
        "path": sys.path,
        "hash_seed": os.environ.get("PYTHONHASHSEED"),
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "session": os.getsid(0),
    }
    with open("told.json", "w") as file:
        json.dump(told, file)
    print("unbuffered?", end="")
    sys.exit("ends with a word")
