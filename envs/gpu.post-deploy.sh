#!/usr/bin/env bash
# Run by Snakemake in the new environment, from the directory the workflow was started in.
set -euo pipefail
lock="$(dirname "$0")/gpu.txt"
[ -f "$lock" ] || lock=envs/gpu.txt
pip install --no-deps --require-hashes -r "$lock"
