"""A driver with four GPUs; FAKE_BUSY names those, by number, on which somebody computes."""

import os


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
