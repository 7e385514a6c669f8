"""`bisect init [PATH]`: a commented experiment, and a training that it runs, to make your own."""

import argparse
import json
import re
import shlex
from pathlib import Path

from bisector.cli import example
from bisector.cli.from_shell import configured, text_of
from bisector.errors import ConfigError

TEMPLATE = Path(__file__).with_name("experiment.yaml")
"""Composes and runs as it is: `experiment` in it is put in place by the name that is asked for."""


def main(args: argparse.Namespace) -> int:
    """Write two files that were not there, and say what comes next.

    Raises:
        ConfigError: one is there already, or cannot be written.
    """
    conf = _path(args)
    if args.baseline:
        return _from_shell(args, conf)
    name = conf.stem
    module = "bisect_" + re.sub(r"\W", "_", name)
    text = TEMPLATE.read_text(encoding="utf-8").replace("bisect_experiment", module)
    files = {
        conf: text.replace("conf=experiment", f"conf={name}"),
        # Where `bisect` is called: there a run finds its modules.
        Path(f"{module}.py"): Path(example.__file__).read_text(encoding="utf-8"),
    }
    _write(files)
    _tell(args, list(files), _following(conf))
    return 0


def _from_shell(args: argparse.Namespace, conf: Path) -> int:
    """Write the experiment that `bisect run` with the same flags would search."""
    _write({conf: text_of(configured(args))})
    _tell(args, [conf], _following(conf))
    return 0


def _following(conf: Path) -> str:
    words = ["bisect", "plan", f"conf={conf.stem}"]
    if conf.parent != Path("conf"):
        words += ["--conf-dir", str(conf.parent)]
    return shlex.join(words)


def _path(args: argparse.Namespace) -> Path:
    """The experiment's file: `conf/experiment.yaml`, or as asked; a bare name goes into `conf`."""
    if len(args.words) > 1:
        raise ConfigError(
            f"`bisect init` takes one path, and {len(args.words)} were given.",
            hint="For instance: bisect init conf/mine.yaml.",
        )
    asked = Path(args.words[0] if args.words else "experiment")
    folder = asked.parent if len(asked.parts) > 1 else args.conf_dir or Path("conf")
    return folder / (re.sub(r"\.ya?ml$", "", asked.name) + ".yaml")


def _write(files: dict[Path, str]) -> None:
    for path in files:
        if path.exists():
            raise ConfigError(
                f"{path} is there already, and is left as it is.",
                hint="Give another name: bisect init NAME.",
            )
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as e:
            raise ConfigError(
                f"{path} cannot be written ({e.strerror}).",
                hint="Call `bisect init` in the folder of your project.",
            ) from None


def _tell(args: argparse.Namespace, files: list[Path], following: str) -> None:
    if args.json:
        print(json.dumps({"wrote": [str(f) for f in files], "next": following}))
        return
    conf, *training = files
    print(f"wrote {conf}: the experiment{', every key explained' if training else ''}")
    for path in training:
        print(f"wrote {path}: a training, to replace with your own")
    print(f"next: {following}")
