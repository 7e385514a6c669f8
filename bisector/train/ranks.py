"""One run as several processes of one machine: `python -m bisector.train.ranks COUNT COMMAND...`.

This is torchrun, by its own interface, with three differences. What listens does so on the
loopback, where torchrun's store takes all addresses. The log is that of the first process: what
the others print goes to files below `ranks/`. And the run ends as the process that failed first
did, with its exit code and its last words.
"""

import os
import socket
import sys
from pathlib import Path

from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import (
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from bisector.rundir import ENV_RANKS, ENV_RUNDIR, RANKS

_HERE = "127.0.0.1"
_LOOK_SECONDS = 0.02
"""Between two looks at the processes: the first to fail must be seen before those it takes along."""
_TAIL = 6000
"""Bytes of the last words of a process that are repeated in the log."""


class Loopback(RendezvousHandler):
    """The meeting point of one machine's processes: a store on the loopback, on a free port."""

    def __init__(self, run: str) -> None:
        self._run = run
        with socket.socket() as place:
            place.bind((_HERE, 0))
            place.listen()
            self._port: int = place.getsockname()[1]
            self._store = TCPStore(
                _HERE,
                self._port,
                is_master=True,
                wait_for_workers=False,
                master_listen_fd=place.detach(),
            )

    def get_backend(self) -> str:
        """The name under which torch knows it."""
        return "loopback"

    @property
    def use_agent_store(self) -> bool:
        """Yes: processes come to this store and open none of their own."""
        return True

    def next_rendezvous(self) -> RendezvousInfo:
        """Everybody is here: one machine, which is the first."""
        at = RendezvousStoreInfo(_HERE, self._port)
        return RendezvousInfo(PrefixStore(self._run, self._store), 0, 1, at)

    def is_closed(self) -> bool:
        """Never, while it is there."""
        return False

    def set_closed(self) -> None:
        """There is nobody else to be told."""

    def num_nodes_waiting(self) -> int:
        """None: there is one machine."""
        return 0

    def get_run_id(self) -> str:
        """Of whose processes meet here."""
        return self._run

    def shutdown(self) -> bool:
        """The store goes with this process."""
        return True


def main(count: int, command: list[str]) -> int:
    """Run `count` processes of a command to their end; the exit code of the first that failed."""
    rundir = Path(os.environ[ENV_RUNDIR])
    os.environ.update(_environment(count))
    rendezvous_handler_registry.register("loopback", _meet)
    redirects = dict.fromkeys(range(1, count), Std.ALL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="run",
        rdzv_backend="loopback",
        rdzv_endpoint=_HERE,
        local_addr=_HERE,
        max_restarts=0,
        monitor_interval=_LOOK_SECONDS,
        logs_specs=DefaultLogsSpecs(log_dir=str(rundir / RANKS), redirects=redirects),
    )
    try:
        elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        _repeat(rank, rundir)
        # As a shell tells of a signal.
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as told:
        return 128 + told.sigval
    return 0


def _meet(parameters: RendezvousParameters) -> RendezvousHandler:
    return Loopback(parameters.run_id)


def _environment(count: int) -> dict[str, str]:
    """What the processes are told beside what torchrun tells them."""
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    interface = "lo0" if sys.platform == "darwin" else "lo"
    talk = dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), interface)
    given = {name: os.environ.get(name, value) for name, value in talk.items()}
    return {**given, ENV_RANKS: str(count), "OMP_NUM_THREADS": str(max(1, threads // count))}


def _repeat(rank: int, rundir: Path) -> None:
    """Put the last words of a process into the log, below those of the first one."""
    said = b"\n".join(
        path.read_bytes()[-_TAIL:]
        for name in ("stdout.log", "stderr.log")
        for path in sorted((rundir / RANKS).glob(f"*/attempt_0/{rank}/{name}"))
    )
    sys.stdout.flush()
    os.write(2, f"bisect: process {rank} failed first\n".encode() + said)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
