#!/usr/bin/env bash
# Run by Snakemake in the new environment, from the directory the workflow was started in.
set -euo pipefail
lock="$(dirname "$0")/cpu.txt"
[ -f "$lock" ] || lock=envs/cpu.txt
torch="$(grep -E '^torch==' "$lock")"
pip install --no-deps "$torch" ||
  pip install --no-deps --index-url https://download.pytorch.org/whl/cpu "$torch"
grep -v -E '^torch==' "$lock" > "$CONDA_PREFIX/lock.txt"
pip install --no-deps --require-hashes -r "$CONDA_PREFIX/lock.txt"
