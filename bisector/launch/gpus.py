"""Which NVIDIA GPUs there are for jobs, and which of them others are using. Never starts CUDA."""

import pynvml

from bisector.errors import LaunchError


def usable(spec: str, visible: str | None) -> tuple[str, ...]:
    """The UUIDs of the GPUs that jobs may get; empty: train on the CPU.

    `spec` is `auto`: those that `visible`, the value of CUDA_VISIBLE_DEVICES, names,
    all if it is None; or `none`; or GPUs in CUDA_VISIBLE_DEVICES' own spelling.
    Numbers count as nvidia-smi does, by PCI bus. Without a driver there are no GPUs.
    """
    if spec == "none":
        return ()
    present = _uuids()
    if spec != "auto":
        return _named_by_user(spec, present)
    return present if visible is None else select(visible, present)


def select(names: str, present: tuple[str, ...]) -> tuple[str, ...]:
    """The UUIDs that CUDA would show for CUDA_VISIBLE_DEVICES=`names`.

    As CUDA does, stop at the first name that is not a GPU. A slice of a GPU (MIG) is
    known by its own name only and is taken as it is.
    """
    chosen: list[str] = []
    for name in names.split(","):
        uuid = _uuid(name.strip(), present)
        if uuid is None:
            break
        chosen.append(uuid)
    return tuple(chosen)


def taken(uuids: tuple[str, ...]) -> frozenset[str]:
    """Those of `uuids` on which some process is computing now."""
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
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(len(_uuids()))]
        return tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
    except pynvml.NVMLError:
        return ()


def _named_by_user(spec: str, present: tuple[str, ...]) -> tuple[str, ...]:
    chosen = select(spec, present)
    if len(chosen) != len(spec.split(",")):
        raise LaunchError(
            f"`launcher.gpus={spec}` names a GPU that is not here; there are {len(present)}.",
            hint="Run `nvidia-smi -L` to see their numbers, or use `launcher.gpus=auto`.",
        )
    return chosen


def _uuid(name: str, present: tuple[str, ...]) -> str | None:
    if name.isdigit():
        return present[int(name)] if int(name) < len(present) else None
    if name.startswith("MIG-"):
        return name
    fits = [uuid for uuid in present if name.startswith("GPU-") and uuid.startswith(name)]
    return fits[0] if len(fits) == 1 else None


def _uuids() -> tuple[str, ...]:
    try:
        pynvml.nvmlInit()  # Counted by the library; kept open, as a first one can take seconds.
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]
        return tuple(str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles)
    except pynvml.NVMLError:
        return ()


def _computing(uuid: str) -> bool:
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        return bool(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except pynvml.NVMLError:
        return False
