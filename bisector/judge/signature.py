"""The identity of a crash: what its log says that other crashes' logs do not."""

import re

from bisector.model.verdict import Signature, Symptom

_FRAME = re.compile(r'File "([^"]+)", line \d+, in (\S+)')
_PATH = re.compile(r"[/\\]")
_ERROR = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Warning|Exit))\b", re.MULTILINE)


def crash_signature(log_tail: str) -> Signature:
    """The error's type and the innermost function that is not library code, from a log's end.

    Line numbers and messages are left out: they change with every edit and every shape.
    """
    trace = log_tail.rpartition("Traceback (most recent call last)")[2]
    errors = _ERROR.findall(trace)
    frames = [(f, name) for f, name in _FRAME.findall(trace) if "site-packages" not in f]
    where = f" in {_PATH.split(frames[-1][0])[-1]}:{frames[-1][1]}" if frames else ""
    if errors:
        return Signature(Symptom.CRASH, errors[-1].rpartition(".")[2] + where)
    last = next((ln.strip() for ln in reversed(log_tail.splitlines()) if ln.strip()), "")
    return Signature(Symptom.CRASH, re.sub(r"\d+", "#", last)[:80])
