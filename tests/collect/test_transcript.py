"""A command's readings are written down once each, as they come."""

from pathlib import Path

from bisector.collect.readers import collector
from bisector.collect.transcript import Transcripts
from bisector.model.experiment import Experiment
from bisector.model.session import Judged, Launched, Session
from bisector.model.trial import Arm, Purpose, Trial
from bisector.model.verdict import Outcome, Verdict


def test_new_readings_are_appended_and_none_is_written_twice(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "000"
    folder.mkdir(parents=True)
    trial = Trial(0, Arm(), 0, Purpose.BASELINE)
    session = Session(Experiment(name="t", additions=()), (Launched(trial, "{}"),))
    log, transcript = folder / "log.txt", folder / "readings.jsonl"

    log.write_text("loss 3.0\nacc 0.1\n")
    assert Transcripts(tmp_path, collector({}, {})).sync(session) == 1
    # Another process takes over, from a file whose last line is torn.
    with transcript.open("a") as file:
        file.write('{"step": 2, "na')
    log.write_text("loss 3.0\nacc 0.1\nloss 2.0\n")
    writer = Transcripts(tmp_path, collector({}, {}))
    assert writer.sync(session) == 1
    assert writer.sync(session) == 0
    assert transcript.read_text().splitlines() == [
        '{"step": 1, "name": "loss", "value": 3.0}',
        '{"step": 1, "name": "acc", "value": 0.1}',
        '{"step": 2, "name": "loss", "value": 2.0}',
    ]
    log.write_text("loss 3.0\nacc 0.1\nloss 2.0\nloss nan\n")
    ended = session.add(Judged(trial, Verdict(Outcome.HEALTHY, 0.0), 1.0))
    assert writer.close(ended) == 1
    assert transcript.read_text().endswith('{"step": 3, "name": "loss", "value": NaN}\n')
