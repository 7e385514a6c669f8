"""Which NVIDIA GPUs there are for jobs, and which of them others are using. Never starts CUDA.

A GPU that is cut into slices (MIG) stands for its slices, each of which is a GPU of its own to a
job. What is needed of NVML is asked device by device: one that is lost or not ours hides no other.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pynvml

from bisector.errors import LaunchError

SLICE = "MIG-"
"""How the name of a slice of a GPU begins."""
_SICK = (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired, pynvml.NVMLError_Unknown)


class Gpu(NamedTuple):
    """One GPU of this machine."""

    uuid: str
    units: tuple[str, ...]
    """What jobs may get of it, by UUID: itself, or its slices, of which there may be none."""


def usable(spec: str, visible: str | None) -> tuple[str, ...]:
    """The UUIDs of the GPUs that jobs may get; empty: train on the CPU.

    `spec` is `auto`: those that `visible`, the value of CUDA_VISIBLE_DEVICES, names,
    all if it is None; or `none`; or GPUs in CUDA_VISIBLE_DEVICES' own spelling.
    Numbers count as nvidia-smi does, by PCI bus. Without a driver there are no GPUs.
    """
    if spec == "none":
        return ()
    present = _present()
    if spec != "auto":
        return _named_by_user(spec, present)
    return _flat(gpu.units for gpu in present) if visible is None else select(visible, present)


def select(names: str, present: Sequence[Gpu]) -> tuple[str, ...]:
    """The UUIDs of what CUDA_VISIBLE_DEVICES=`names` allows.

    As CUDA does, stop at the first name that is no GPU or of another kind than the first one, and
    take a name that stands twice for a mistake that leaves none. Of a GPU in slices CUDA would show
    a process but one; a search has many processes, so to it the name allows all of them.
    """
    return _flat(_select(names, present))


def taken(uuids: tuple[str, ...]) -> frozenset[str]:
    """Those of `uuids` on which some process is computing now, or which have broken down."""
    return frozenset(uuid for uuid in uuids if _computing(uuid))


def memory(uuid: str) -> tuple[int, int]:
    """Memory of a GPU in use and in all, in bytes; zeros where the driver does not say."""
    try:
        found = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(uuid))
        return int(found.used), int(found.total)
    except pynvml.NVMLError:
        return 0, 0


def models() -> tuple[str, ...]:
    """The product names of all GPUs of this machine, e.g. `NVIDIA H100 80GB HBM3`."""
    names = []
    for handle in _handles():
        with suppress(pynvml.NVMLError):
            names.append(str(pynvml.nvmlDeviceGetName(handle)))
    return tuple(names)


def _named_by_user(spec: str, present: Sequence[Gpu]) -> tuple[str, ...]:
    chosen = _select(spec, present)
    if len(chosen) != len(spec.split(",")) or not all(chosen):
        raise LaunchError(
            f"`launcher.gpus={spec}` names a GPU that is not here, or one twice; there are {len(present)}.",
            hint="Run `nvidia-smi -L` to see their numbers, or use `launcher.gpus=auto`.",
        )
    return _flat(chosen)


def _select(names: str, present: Sequence[Gpu]) -> list[tuple[str, ...]]:
    chosen: list[tuple[str, ...]] = []
    stripped = [name.strip() for name in names.split(",")]
    for name in stripped:
        units = _units(name, present) if _kind(name) == _kind(stripped[0]) else None
        if units is None:
            break
        if units and units in chosen:
            return []
        chosen.append(units)
    return chosen


def _kind(name: str) -> str:
    return name[:4] if name.startswith(("GPU-", SLICE)) else ""


def _units(name: str, present: Sequence[Gpu]) -> tuple[str, ...] | None:
    if name.isdecimal():
        return present[int(name)].units if int(name) < len(present) else None
    if name.startswith(SLICE):
        slices = {unit for gpu in present for unit in gpu.units if unit.startswith(SLICE)}
        # Where none is listed, the driver is too old to, and knows it by another name.
        return (name,) if name in slices or not slices else None
    fits = [gpu.units for gpu in present if name.startswith("GPU-") and gpu.uuid.startswith(name)]
    return fits[0] if len(fits) == 1 else None


def _flat(chosen: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(unit for units in chosen for unit in units)


def _present() -> list[Gpu]:
    found = []
    for handle in _handles():
        with suppress(pynvml.NVMLError):
            uuid = str(pynvml.nvmlDeviceGetUUID(handle))
            slices = _slices(handle)
            found.append(Gpu(uuid, (uuid,) if slices is None else slices))
    return found


def _handles() -> list[Any]:
    """Of the GPUs that this user may talk to, by PCI bus."""
    handles: list[Any] = []
    try:
        pynvml.nvmlInit()  # Counted by the library; kept open, as a first one can take seconds.
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return handles
    for index in range(count):
        with suppress(pynvml.NVMLError):
            handles.append(pynvml.nvmlDeviceGetHandleByIndex(index))
    return handles


def _slices(handle: Any) -> tuple[str, ...] | None:
    """The UUIDs of a GPU's slices; None: it is whole, as are all that cannot be cut."""
    try:
        if pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except pynvml.NVMLError:
        return None
    slices = []
    for index in range(most):
        with suppress(pynvml.NVMLError):  # There is none of that number.
            found = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
            slices.append(str(pynvml.nvmlDeviceGetUUID(found)))
    return tuple(slices)


def _computing(uuid: str) -> bool:
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return bool(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except pynvml.NVMLError as error:
        return isinstance(error, _SICK)  # Others only say that this is not told here.
