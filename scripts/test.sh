#!/usr/bin/env bash
# Sets up .venv, then runs the gate; arguments are those of check.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
exec scripts/check.sh "$@"
