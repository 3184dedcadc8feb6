#!/usr/bin/env bash
# Regenerates the locks envs/*.txt from the .in files, with the hashes of all packages: `make locks`.
# uv's own indexes are used (UV_INDEX, …). torch's CPU wheels are not on PyPI: TORCH_CPU says where
# they are, as options of uv (default: PyTorch's own index).
set -euo pipefail
cd "$(dirname "$0")"
uv="${UV:-uv}"
# Their hash is not locked: PyTorch's index, mirrors and folders of own builds have different files of
# the same version. install.sh takes the version from the index, over HTTPS.
torch_cpu="${TORCH_CPU:---index https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match}"
compile=("$uv" pip compile --quiet --generate-hashes --overrides overrides.txt
  --no-annotate --no-header --no-emit-index-url --no-emit-find-links)
"${compile[@]}" gpu.in --output-file gpu.txt --python-version 3.11 \
  --python-platform x86_64-manylinux_2_28 "$@"
# The CPU lock takes the GPU lock's versions of all they share. It is for every platform.
grep -E '^[a-z0-9]' gpu.txt | grep -v -E '^(torch|triton|vllm)==' |
  sed -E "s/ *\\\\?$/ ; platform_machine == 'x86_64'/" > .constraints.txt
trap 'rm -f .constraints.txt' EXIT
# shellcheck disable=SC2086
"${compile[@]}" cpu.in --constraints .constraints.txt --output-file cpu.txt --universal \
  --python-version 3.11 $torch_cpu "$@"
sed -i -E '/^torch==/,/^[^ ]/{/^torch==/s/ *\\$//;/^ /d}' cpu.txt
for name in docs audit; do
  "${compile[@]}" "$name.in" --output-file "$name.txt" --python-version 3.11 --universal "$@"
done
for name in uv real; do
  "${compile[@]}" "$name.in" --output-file "$name.txt" --no-deps "$@"
done
for kind in cpu gpu; do
  printf '%s\n' "# Wraps the lock for --sdm conda: the lock is installed by $kind.post-deploy.sh." \
    "# lock sha256: $(sha256sum < "$kind.txt" | cut -d' ' -f1)" \
    'channels: [conda-forge, nodefaults]' 'dependencies: [python=3.11, pip]' > "$kind.yaml"
done
