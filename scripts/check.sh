#!/usr/bin/env bash
# The gate: format, lint, types, tests. CI runs the same.
#
#   --fix   let ruff mend what it can first
#   --all   the slow tests as well
#   else    handed to pytest: `scripts/check.sh tests/plan -k belief`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=.venv/bin

fix=""
# One process per core, which takes tests from the other when it is done; threads would only queue.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
pytest=("$bin/python" -m pytest -n logical --dist worksteal)
for argument in "$@"; do
  case "$argument" in
    --fix) fix=yes ;;
    --all) pytest+=(-m "") ;;
    *) pytest+=("$argument") ;;
  esac
done

if [ -n "$fix" ]; then
  "$bin/ruff" format --quiet .
  "$bin/ruff" check --quiet --fix . || true
fi
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/mypy"
exec "${pytest[@]}"
