#!/usr/bin/env bash
# Corrects the laboratory's test lists and prints its table.
# Usage: lab/measure.sh FOLDER [options of robustger correct; default: --preset lab]
set -euo pipefail
lab=$1 here=$(cd "$(dirname "$0")" && pwd) bin=${BIN:-.venv/bin}
shift
[ $# -gt 0 ] || set -- --preset lab
mkdir -p "$lab/corrected"
for part in test test-clean; do
    "$bin/robustger" correct "$lab/lists/$part.jsonl" -o "$lab/corrected/$part.jsonl" --batch-size 32 "$@"
done
PYTHONPATH=$here/..${PYTHONPATH:+:$PYTHONPATH} "$bin/python" -m lab.measure "$lab"/lists/test{,-clean}.jsonl --corrections "$lab"/corrected/test{,-clean}.jsonl \
    --json "$lab/test.json"
