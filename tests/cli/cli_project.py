"""A small project of a user's own, on disk, and the ways in which tests act on it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

LAB = '''
import os
import random
import time
from pathlib import Path


def train(cfg, run):
    """Six steps of 0.05 s; `b` breaks it. Runs from the number in the file `hold` on wait."""
    number = int(run.rundir.name)
    with open("began", "a") as file:
        file.write(f"{number} {os.getpid()}\\n")
    while held(number):
        time.sleep(0.02)
    rng = random.Random(run.seed)
    run.facts(planned_steps=6)
    for step in range(6):
        time.sleep(0.05)
        loss = 1.0 if cfg.b else 1 / (step + 1)
        run.log(step, train_loss=loss, acc=1 - 0.9 * loss + rng.gauss(0, 0.002))
    MODES[cfg.mode]()


def held(number):
    try:
        return number >= int(Path("hold").read_text())
    except (OSError, ValueError):
        return False


def fine():
    pass


def hog():
    hoard = []
    while True:
        hoard.append(bytearray(b"x" * 50_000_000))


def hang():
    time.sleep(600)


def fail():
    raise ArithmeticError("this mode fails")


MODES = {"fine": fine, "hog": hog, "hang": hang, "fail": fail}
'''

CONF = """\
defaults: [bisect_schema, launcher: local, planner: adaptive, recipe: small, _self_]
metrics: {loss: train_loss, score: acc}
judge: {min_effect: 0.05}
budget: {confidence: 0.95, repeats: 2, confirm: 1}
lr: {key: recipe.lr}
workload: {_target_: bisector.workload.function.FunctionWorkload, target: "lab:train"}
launcher: {slots: 2, gpus: none}
mlflow: {enabled: false}
additions:
  one: {kind: loss, overrides: [recipe.a=1]}
  two: {kind: model, overrides: [recipe.b=1]}
  three: {kind: model, overrides: [recipe/extra=some]}
"""

RECIPE = "defaults: [extra: none, _self_]\nlr: 0.1\na: 0\nb: 0\nmode: fine\n"

Event = dict[str, object]


@dataclass(frozen=True)
class Project:
    """A folder in which `bisect` is called."""

    folder: Path
    name: str = "x"
    """Of the search that is asked about."""

    @property
    def conf(self) -> Path:
        return self.folder / "conf" / "x.yaml"

    @property
    def home(self) -> Path:
        return self.folder / "out" / self.name

    def start(self, *words: str, **more: object) -> subprocess.Popen[str]:
        """`bisect WORDS` as a process group of its own, as a shell would start it."""
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [sys.executable, "-m", "bisector", *words]
        return subprocess.Popen(command, cwd=self.folder, process_group=0, **(pipe | more))

    def bisect(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def hold_from(self, number: int) -> None:
        """Let runs from this number on begin, and wait."""
        draft = self.folder / "hold.part"
        draft.write_text(str(number))
        draft.replace(self.folder / "hold")

    def release(self) -> None:
        (self.folder / "hold").unlink()

    def events(self, kind: str = "") -> list[Event]:
        journal = self.home / "journal.jsonl"
        text = journal.read_text() if journal.exists() else ""
        found = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
        return [e for e in found if not kind or e["event"] == kind]

    def launched(self) -> list[int]:
        return [e["trial"]["number"] for e in self.events("Launched")]

    def judged(self) -> dict[int, dict[str, object]]:
        """The verdict of each trial; a trial may have only one."""
        verdicts: dict[int, dict[str, object]] = {}
        for e in self.events("Judged"):
            assert e["trial"]["number"] not in verdicts, "judged twice"
            verdicts[e["trial"]["number"]] = e["verdict"]
        return verdicts

    def running(self) -> list[int]:
        return [n for n in self.launched() if n not in self.judged()]

    def began(self) -> dict[int, int]:
        """The worker's process id of every run that has begun, each once."""
        path = self.folder / "began"
        lines = path.read_text().splitlines() if path.exists() else []
        numbers = [int(line.split()[0]) for line in lines]
        assert len(numbers) == len(set(numbers)), "a run was begun twice"
        return {int(n): int(pid) for n, pid in map(str.split, lines)}

    def concluded(self) -> tuple[str, list[list[str]]]:
        """The ruling and the culprits that stand at the journal's end."""
        last = self.events()[-1]
        assert last["event"] == "Concluded", last
        return last["ruling"], last["culprits"]

    def processes(self) -> list[psutil.Process]:
        """All that work in the folder, or were told to."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def is_deserted(self) -> None:
        """See that nobody works here any more; the warm server needs a moment to notice its end."""
        me = psutil.Process()
        until(lambda: self.processes() == [me], 5)

    def _is_ours(self, process: psutil.Process) -> bool:
        here = str(self.folder)
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            said = [process.cwd(), *process.cmdline(), process.environ().get("BISECT_RUN_DIR", "")]
        except psutil.Error:
            return False
        return any(text.startswith(here) for text in said)


def make(folder: Path) -> Project:
    """The project, written into `folder`."""
    extra = folder / "conf" / "recipe" / "extra"
    extra.mkdir(parents=True)
    (extra / "none.yaml").write_text("size: 0\n")
    (extra / "some.yaml").write_text("size: 1\n")
    (folder / "conf" / "recipe" / "small.yaml").write_text(RECIPE)
    (folder / "conf" / "x.yaml").write_text(CONF)
    (folder / "lab.py").write_text(LAB)
    return Project(folder)


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)
