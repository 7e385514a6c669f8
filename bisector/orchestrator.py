"""The loop that joins the parts: judge what ended, decide, launch, remember.

The only caller of parts and the only reader of the clock. Everything it knows is
in the session, so it can be killed at any line and started again.
"""

import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from bisector import rundir
from bisector.errors import ConfigError
from bisector.journal import Journal
from bisector.model.continuation import extends
from bisector.model.evidence import Evidence, Exit, Signal
from bisector.model.finding import Looked
from bisector.model.session import Diagnosed, Event, Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import UNMADE, Outcome, Symptom, Verdict
from bisector.plan.phases import Phase, baseline_is_known, steer
from bisector.ports import (
    Collector,
    Decision,
    Diagnostician,
    Job,
    JobState,
    Launcher,
    Look,
    Oracle,
    Reporter,
    Workload,
)

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What a program tells a terminal."""
GRACE = 5.0
"""Seconds that a job's end may take to show in its run directory (shared file systems)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One choice for every seam."""

    phases: Sequence[Phase]
    workload: Workload
    launcher: Launcher
    collector: Collector
    oracle: Oracle
    diagnose: Diagnostician
    reporters: Sequence[Reporter]


class Orchestrator:
    """Drives one session to its end; safe to stop and start again at any point."""

    def __init__(self, session: Session, parts: Parts, journal: Journal, home: Path) -> None:
        self.session, self._parts, self._journal, self._home = session, parts, journal, home
        self._gone: dict[str, float] = {}
        self._seen: tuple[int, int] | None = None
        self._ended: dict[int, Evidence] = {}
        self._interrupted = False

    def run(self, tick: float = 0.05, look: float = 1.0) -> Session:
        """Search until no phase has anything left to ask.

        Args:
            tick: seconds between questions to the launcher.
            look: seconds between looks at what running trials have written.

        Raises:
            ConfigError: the baseline ended well and never reported the metric that decides.
            LaunchError: no job can be run at all.
        """
        looked = 0.0
        while not self.session.conclusion and not self._interrupted:
            self._judge_ended()
            if time.monotonic() - looked >= look:
                self._watch()
                looked = time.monotonic()
            if not self._step():
                time.sleep(tick)
        self._end_running()
        return self.session

    def interrupt(self) -> None:
        """Stop at the next turn of the loop; safe to call from a signal handler."""
        self._interrupted = True

    def clear_orphans(self) -> None:
        """End jobs that nothing waits for: their orchestrator died before it could say so."""
        folders = {int(f.name): f for f in (self._home / "runs").glob("*/") if f.name.isdigit()}
        waited_for = {e.trial.number for e in self.session.running}
        stray = [f for number, f in folders.items() if number not in waited_for]
        self._parts.launcher.clear([f for f in stray if not (f / rundir.EXIT).exists()])
        for number, folder in folders.items():
            if number >= len(self.session.launched):
                shutil.rmtree(folder)

    def _end_running(self) -> None:
        """Stop what is left; it counts as not judged, and is launched again by the next run.

        What has ended by itself is judged, at once or by the next run.
        """
        self._cancel(self.session.running)
        for launched in self.session.running:
            trial, evidence = launched.trial, self._evidence(launched.trial)
            if evidence.exit in (Exit.RUNNING, Exit.CANCELLED):
                evidence = replace(evidence, exit=Exit.CANCELLED)
                verdict = self._parts.oracle.judge(evidence, self._baseline(trial))
                self._remember(trial, replace(verdict, interrupted=True), evidence)
            elif self._may_judge(trial):
                self._judge(trial, evidence)

    def _step(self) -> bool:
        """Decide, and do it; whether anything was done."""
        slots = max(0, self._parts.launcher.free_slots())
        if slots == 0 or (len(self.session.events), slots) == self._seen:
            return False
        self._judge_ended()  # Whose end has freed a slot since the last look is to be decided upon.
        decision = steer(self.session, slots, self._parts.phases)
        self._seen = (len(self.session.events), slots)
        if decision is None or (decision == Decision() and not self.session.running):
            raise RuntimeError("no phase has anything to ask, and nothing was concluded")
        return self._do(decision)

    def _do(self, decision: Decision) -> bool:
        if decision.record:
            self._record(decision.record)
        if decision.look:
            self._record(self._diagnosed(decision.look))
        self._launch(decision.ask)
        return decision != Decision()

    def _diagnosed(self, look: Look) -> Diagnosed:
        """What the checks say, by the facts that the trials have left in their run directories."""
        seen, beside = self._facts(look.trials), self._facts(look.beside)
        diagnosis = self._parts.diagnose(seen, beside, look)
        return Diagnosed(look.additions, diagnosis, look.trials, look.beside)

    def _facts(self, numbers: Sequence[int]) -> Looked:
        found = Looked()
        for number in numbers:
            found = found.beside(self._parts.collector.look(rundir.of(self._home, number)))
        return found

    def _launch(self, trials: Sequence[Trial]) -> None:
        able = [trial for trial in trials if not trial.arm.tweaks or self._can_be_made(trial)]
        handles = self._parts.launcher.submit(self._jobs(able))
        for trial, handle in zip(able, handles, strict=True):
            self._record(Launched(trial, handle))

    def _can_be_made(self, trial: Trial) -> bool:
        """Whether a change that is tried goes with what was added; if not, that is its verdict."""
        try:
            self._parts.workload.prepare(self.session, trial, self._rundir(trial))
        except ConfigError as unfit:
            verdict = Verdict(Outcome.UNRESOLVED, 0.5, because=f"{UNMADE}{unfit}")
            self._record(Launched(trial, ""))
            self._record(Judged(trial, verdict, 0.0))
            return False
        return True

    def _jobs(self, trials: Sequence[Trial]) -> Iterator[Job]:
        """A job for each; to the later ones, the earlier ones are launched, recorded yet or not."""
        session = self.session
        for trial in trials:
            yield self._parts.workload.prepare(session, trial, self._rundir(trial))
            session = session.add(Launched(trial, ""))

    def _judge_ended(self) -> None:
        running = self.session.running
        if not running:
            return
        states = self._parts.launcher.poll([r.handle for r in running])
        for launched in running:
            if states[launched.handle] is JobState.ENDED and self._may_judge(launched.trial):
                evidence = self._evidence(launched.trial)
                if evidence.exit is Exit.RUNNING and not self._lost(launched.handle):
                    continue
                self._judge(launched.trial, evidence)

    def _may_judge(self, trial: Trial) -> bool:
        """A run is held to the baseline only once the baseline is known."""
        alone = trial.purpose in (Purpose.BASELINE, Purpose.SWEEP) or not trial.arm.trained
        return alone or baseline_is_known(self.session)

    def _lost(self, handle: str) -> bool:
        """Whether a job that its launcher no longer knows has left no exit for too long."""
        since = self._gone.setdefault(handle, time.monotonic())
        return time.monotonic() - since > GRACE

    def _judge(self, trial: Trial, evidence: Evidence) -> None:
        if evidence.exit is Exit.RUNNING:
            evidence = replace(evidence, exit=Exit.VANISHED)
        if not trial.arm.trained:
            self._remember(trial, self._of_look(evidence), evidence)
            return
        verdict = self._parts.oracle.judge(evidence, self._baseline(trial))
        self._insist_on_a_metric(trial, verdict, evidence)
        self._remember(trial, verdict, evidence)

    def _of_look(self, evidence: Evidence) -> Verdict:
        """A look trains nothing, so all that can be said is whether there was anything to see."""
        if evidence.exit is Exit.CLEAN:
            return Verdict(Outcome.HEALTHY, 0.0, because="looked at")
        verdict = self._parts.oracle.judge(evidence, ())
        return replace(verdict, outcome=Outcome.UNRESOLVED, p_broken=0.5, signature=None)

    def _insist_on_a_metric(self, trial: Trial, verdict: Verdict, evidence: Evidence) -> None:
        signature = verdict.signature
        if trial.arm != Arm() or not signature or signature.symptom is not Symptom.NO_METRIC:
            return
        name = signature.detail
        key = "judge.metric" if name == self.session.experiment.metric.name else "judge.also"
        theirs = sorted(evidence.curves.keys() - set(Signal)) or ["val_acc"]
        (nearest,) = get_close_matches(name, evidence.curves.keys(), 1) or theirs[:1]
        raise ConfigError(
            f"{key} is `{name}`, but the baseline {verdict.because} (run {trial.number:03d}){_looked(evidence)}.",
            hint=f"Map one of its names, e.g. `metrics: {{{name}: {nearest}}}`; the run is kept and judged again.",
        )

    def _watch(self) -> None:
        """Look at running trials: stop those whose outcome is known, show the rest."""
        partial = {}
        for launched in self.session.running:
            trial = launched.trial
            if not trial.arm.trained:
                continue
            evidence = self._evidence(trial)
            # At a tenth of the learning rate a healthy run is slower than any patience allows, and
            # what is trained for longer is to be given that time.
            slow = trial.arm.lr_scale < 1 or extends(self.session.experiment, trial.arm)
            known = self._parts.oracle.glance(evidence, () if slow else self._baseline(trial))
            ending = evidence.exit is not Exit.RUNNING or _explains_itself(trial, known)
            if known and not ending and self._may_judge(trial):
                self._remember(trial, known, evidence)
                self._cancel([launched])
            else:
                partial[trial.number] = evidence
        for reporter in self._parts.reporters:
            reporter.progress(self.session, partial)

    def _remember(self, trial: Trial, verdict: Verdict, evidence: Evidence) -> None:
        continues = evidence.facts.get("continues")
        if isinstance(continues, int | float):
            verdict = replace(verdict, continues=int(continues))
        self._record(Judged(trial, verdict, self._seconds(trial, evidence.facts)), evidence)

    def _seconds(self, trial: Trial, facts: Mapping[str, float | str]) -> float:
        seconds = facts.get("seconds")
        if isinstance(seconds, int | float):
            return float(seconds)
        at = next(e.at for e in self.session.launched if e.trial.number == trial.number)
        return max(0.0, now() - at)

    def _baseline(self, trial: Trial) -> tuple[Evidence, ...]:
        """The healthy baseline runs to hold a trial to; none for the baseline itself."""
        if trial.purpose is Purpose.BASELINE:
            return ()
        runs = self.session.runs(Arm())
        healthy = [e.trial for e in runs if e.verdict.outcome is Outcome.HEALTHY]
        return tuple(self._ended.setdefault(t.number, self._evidence(t)) for t in healthy)

    def _cancel(self, launched: Sequence[Launched]) -> None:
        if launched:
            self._parts.launcher.cancel([e.handle for e in launched])

    def _evidence(self, trial: Trial) -> Evidence:
        return self._parts.collector.collect(self._rundir(trial))

    def _rundir(self, trial: Trial) -> Path:
        return rundir.of(self._home, trial.number)

    def _record(self, event: Event, evidence: Evidence | None = None) -> None:
        event = replace(event, at=now())
        self._journal.append(event)
        self.session = self.session.add(event)
        for reporter in self._parts.reporters:
            reporter.update(self.session, event, evidence)


def _explains_itself(trial: Trial, known: Verdict | None) -> bool:
    """Whether a run does its last steps again, to find where a NaN was born: it is let end by itself."""
    found = known.signature if known else None
    return trial.arm.watched and found is not None and found.symptom is Symptom.NOT_FINITE


def _looked(evidence: Evidence) -> str:
    """Where a metric was looked for, and the end of what there was to see."""
    if not (sought := evidence.facts.get("sought")):
        return ""
    text = _COLOUR.sub("", evidence.log_tail)
    lines = [line.strip()[:100] for line in text.splitlines() if line.strip()]
    return f"; looked for: {sought}; last lines: {' | '.join(lines[-3:]) or 'none'}"


def now() -> float:
    """Seconds since the epoch."""
    return time.time()  # noqa: TID251  the one clock
