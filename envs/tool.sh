#!/usr/bin/env bash
# Makes .venv/tools/NAME with the lock envs/NAME.txt: a tool in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=".venv/tools/$1"
.venv/bin/python -m venv --clear "$folder"
.venv/bin/uv pip install --quiet --python "$folder/bin/python" --no-deps --require-hashes -r "envs/$1.txt" ||
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "envs/$1.txt"
touch "$folder/.ready"
