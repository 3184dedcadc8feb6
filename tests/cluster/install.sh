#!/usr/bin/env bash
# Installs SLURM from Debian's or Ubuntu's packages, for tests/cluster; starts nothing. Needs root.
set -euo pipefail
packages=(munge slurmctld slurmd slurm-client bindfs)  # bindfs: files that are seen late
dpkg -s "${packages[@]}" > /dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] || {
  echo "tests/cluster needs ${packages[*]}: install them as root (apt-get install ${packages[*]})." >&2
  exit 1
}
# Packages must not start daemons of their own; containers have this file already.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}"
