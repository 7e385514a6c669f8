"""A driver with four GPUs of 80 GB, by number: on FAKE_BUSY somebody computes, FAKE_MIG are cut in two.

FAKE_USED is how many GB are in use on each; FAKE_CLOSED are not for this user, FAKE_LOST broke down.
"""

import os
from types import SimpleNamespace

NVML_DEVICE_MIG_ENABLE = 1


class NVMLError(Exception):
    pass


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801, N818
    pass


class NVMLError_ResetRequired(NVMLError):  # noqa: N801, N818
    pass


class NVMLError_Unknown(NVMLError):  # noqa: N801, N818
    pass


def named(handle, variable):
    return handle[0] in os.environ.get(variable, "")


def nvmlInit():  # noqa: N802
    if "FAKE_NO_DRIVER" in os.environ:
        raise NVMLError("Driver Not Loaded")


def nvmlDeviceGetCount():  # noqa: N802
    return 4


def nvmlDeviceGetHandleByIndex(index):  # noqa: N802
    if named(str(index), "FAKE_CLOSED"):
        raise NVMLError("No Permission")
    return str(index)


def nvmlDeviceGetUUID(handle):  # noqa: N802
    return f"MIG-{handle}" if "s" in handle else f"GPU-{handle}aaa"


def nvmlDeviceGetHandleByUUID(uuid):  # noqa: N802
    return uuid[4:].removesuffix("aaa")


def nvmlDeviceGetMigMode(handle):  # noqa: N802
    if handle == "0":
        raise NVMLError("Not Supported")
    return [int(named(handle, "FAKE_MIG"))] * 2


def nvmlDeviceGetMaxMigDeviceCount(handle):  # noqa: N802
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle, index):  # noqa: N802
    if index not in (1, 4):
        raise NVMLError("Not Found")
    return f"{handle}s{index}"


def nvmlDeviceGetName(handle):  # noqa: N802
    return "Fake 80GB"


def nvmlDeviceGetComputeRunningProcesses(handle):  # noqa: N802
    if named(handle, "FAKE_LOST"):
        raise NVMLError_GpuIsLost("GPU is lost")
    return ["somebody"] if handle in os.environ.get("FAKE_BUSY", "").split(",") else []


def nvmlDeviceGetMemoryInfo(handle):  # noqa: N802
    used = int(os.environ.get("FAKE_USED", "0"))
    return SimpleNamespace(used=used * 10**9, total=80 * 10**9)
