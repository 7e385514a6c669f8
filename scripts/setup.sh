#!/usr/bin/env bash
# Makes .venv: this project, editable, with the tested versions of everything it
# needs. Run it as often as you like: at once when there is nothing to do.
#
#   PYTHON=python3.12     the Python to use (3.11 or later); else the first that fits
#   BISECT_TORCH=default  the platform's own PyTorch build, or `cpu`; else by what the machine has
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Exits 0 for a Python that can make a virtual environment, 3 for an old one, 4 without venv.
probe() {
  "$1" -I -c '
import sys
if sys.version_info < (3, 11): sys.exit(3)
from importlib.util import find_spec
sys.exit(0 if find_spec("venv") and find_spec("ensurepip") else 4)' 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
  candidates=("$PYTHON")
else
  candidates=(.venv/bin/python python3 python3.13 python3.12 python3.11)
fi

without_venv=""
for python in "${candidates[@]}"; do
  status=0
  probe "$python" || status=$?
  if [ "$status" -eq 0 ]; then
    exec "$python" -I scripts/setup_venv.py
  elif [ "$status" -eq 4 ]; then
    without_venv=$python
  fi
done

if [ -n "$without_venv" ]; then
  echo "set-up: $without_venv has no venv module; install it (on Debian and Ubuntu the package python3-venv) and run this again." >&2
else
  echo "set-up: no Python 3.11 or later here (tried ${candidates[*]}); install one, or name it: PYTHON=/path/to/python3 scripts/setup.sh" >&2
fi
exit 1
