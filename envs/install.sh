#!/usr/bin/env bash
# Makes .venv with the lock of this machine: GPU where nvidia-smi finds one, else CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "manybaskets needs Python 3.11 or newer; $python is $("$python" --version). Set PYTHON." >&2
  exit 2
}
kind=cpu
if command -v nvidia-smi > /dev/null && nvidia-smi -L 2> /dev/null | grep -q GPU; then kind=gpu; fi
kind="${MANYBASKETS_ENV:-$kind}"
echo "Installing envs/$kind.txt into .venv (a minute or two) …"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" --no-deps --require-hashes -r envs/uv.txt
lock=.venv/lock.txt
torch="$(grep -E '^torch==' "envs/$kind.txt")"
if [ "$kind" = cpu ]; then
  # The CPU build is not on PyPI: first the indexes pip is configured with, then PyTorch's own. It is
  # the only package without a hash in its lock, since these have different files of one version.
  "${pip[@]}" --no-deps "$torch" 2> /dev/null ||
    "${pip[@]}" --no-deps --index-url https://download.pytorch.org/whl/cpu "$torch"
  grep -v -E '^torch==' "envs/$kind.txt" > "$lock"
else
  cp "envs/$kind.txt" "$lock"
fi
# uv is several times faster; pip knows mirrors that only pip is configured with.
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --compile-bytecode \
  --require-hashes -r "$lock" ||
  "${pip[@]}" --no-deps --require-hashes -r "$lock"
"${pip[@]}" --no-deps --no-build-isolation --editable .
echo "$kind" > .venv/.ready
