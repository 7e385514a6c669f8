"""The identity of a crash: what its log says that other crashes' logs do not."""

import re

from bisector.model.verdict import Signature, Symptom

_TRACE = "Traceback (most recent call last)"
_HANDLING = "During handling of the above exception, another exception occurred:"
_CAUSE = "The above exception was the direct cause of the following exception:"

_FRAME = re.compile(r'File "([^"]+)", line \d+, in (\S+)')
_LIBRARY = re.compile(r"site-packages|dist-packages|[/\\]lib[/\\]python\d|^<frozen")
_RANK = re.compile(r"^(?:\[[\w:]+\]: ?)+", re.MULTILINE)
"""What launchers of several processes write before each line, e.g. `[rank0]: `."""
_FIRST = re.compile(r"Root Cause \(first observed failure\):.*?rank +: (\d+)", re.DOTALL)
"""Where torchrun tells which of its processes failed first; others fail for want of that one."""
_PATH = re.compile(r"[/\\]")
_ERROR = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
_SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}
"""Linux numbers of the signals that a program earns by itself."""


def crash_signature(log_tail: str, code: object = None) -> Signature:
    """The error's type and the innermost function that is not library code, from a log's end.

    Line numbers and messages are left out: they change with every edit and every shape.
    Of a chain of errors the one that began it counts: wrappers raise the same for all.
    `code` is the exit code, negative or above 128 for a signal; it speaks where no error does.
    """
    trace = _root_trace(_of_first_rank(log_tail))
    errors = _ERROR.findall(trace)
    if errors:
        frames = [f for f in _FRAME.findall(trace) if not _LIBRARY.search(f[0])]
        where = f" in {_PATH.split(frames[-1][0])[-1]}:{frames[-1][1]}" if frames else ""
        return Signature(Symptom.CRASH, errors[0].rpartition(".")[2] + where)
    number = code if isinstance(code, int) else 0
    if killer := _SIGNALS.get(-number if number < 0 else number - 128):
        return Signature(Symptom.CRASH, killer)
    last = next((ln.strip() for ln in reversed(log_tail.splitlines()) if ln.strip()), "")
    return Signature(Symptom.CRASH, re.sub(r"\d+", "#", last)[:80])


def _of_first_rank(log_tail: str) -> str:
    """What the process said that failed first, where torchrun has ended a run; else the log."""
    first = _FIRST.search(log_tail)
    if first is None:
        return log_tail
    said = log_tail[: log_tail.rfind(_TRACE, 0, first.start())]  # What follows is torchrun's own.
    own = [ln for ln in said.splitlines() if ln.startswith(f"[rank{first[1]}]:")]
    return "\n".join(own) or said


def _root_trace(log_tail: str) -> str:
    """The last traceback, or the first one of the chain that caused it; empty: there is none."""
    chain = _RANK.sub("", log_tail).rpartition(_HANDLING)[2]
    root = chain.partition(_CAUSE)[0] if _TRACE in chain.partition(_CAUSE)[0] else chain
    return root.rpartition(_TRACE)[2] if _TRACE in root else ""
