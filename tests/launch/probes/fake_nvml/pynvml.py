"""A driver with four GPUs of 80 GB; FAKE_BUSY names those, by number, on which somebody computes.

FAKE_USED is how many GB are in use on each.
"""

import os
from types import SimpleNamespace


class NVMLError(Exception):
    pass


def nvmlInit():  # noqa: N802
    if "FAKE_NO_DRIVER" in os.environ:
        raise NVMLError("Driver Not Loaded")


def nvmlDeviceGetCount():  # noqa: N802
    return 4


def nvmlDeviceGetHandleByIndex(index):  # noqa: N802
    return index


def nvmlDeviceGetUUID(handle):  # noqa: N802
    return f"GPU-{handle}aaa"


def nvmlDeviceGetHandleByUUID(uuid):  # noqa: N802
    return int(uuid[4])


def nvmlDeviceGetComputeRunningProcesses(handle):  # noqa: N802
    return ["somebody"] if str(handle) in os.environ.get("FAKE_BUSY", "") else []


def nvmlDeviceGetMemoryInfo(handle):  # noqa: N802
    used = int(os.environ.get("FAKE_USED", "0"))
    return SimpleNamespace(used=used * 10**9, total=80 * 10**9)
