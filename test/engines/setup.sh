#!/usr/bin/env bash
# Installs the container engines that the tests below drive, as Debian packages. Can be run again at any time.
# Their services are neither started nor left enabled: each test starts engines of its own.
set -euo pipefail

die() {
  echo "setup.sh: $*" >&2
  exit 1
}

# Program and the Debian package that has it.
PROGRAMS=(
  containerd:containerd ctr:containerd
  /usr/bin/docker:docker.io dockerd:docker.io docker-init:docker.io
  podman:podman conmon:conmon catatonit:catatonit /usr/bin/fuse-overlayfs:fuse-overlayfs slirp4netns:slirp4netns newuidmap:uidmap
  buildah:buildah runc:runc crun:crun busybox:busybox-static iptables:iptables setpriv:util-linux
)

missing_packages() {
  local pair program
  for pair in "${PROGRAMS[@]}"; do
    program=${pair%%:*}
    command -v "$program" >/dev/null || [[ -x /usr/sbin/$program || -x /usr/lib/podman/$program ]] || echo "${pair#*:}"
  done | sort -u
}

mapfile -t packages < <(missing_packages)
((${#packages[@]} > 0)) || exit 0
((EUID == 0)) || die "these Debian packages are missing; install them as root: apt-get install ${packages[*]}"
command -v apt-get >/dev/null || die "these Debian packages are missing, and there is no apt-get: ${packages[*]}"

# What a package's scripts ask before they start a service; 101 says no.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

echo "installing Debian packages: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
install=(apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends install "${packages[@]}")
"${install[@]}" >"$log" 2>&1 || { apt-get -q update && "${install[@]}"; } >>"$log" 2>&1 || {
  cat "$log" >&2
  die "the packages could not be installed"
}
rm -f "$log"

if [[ -d /run/systemd/system ]]; then
  systemctl disable --now docker.socket docker.service containerd.service podman.socket podman.service >/dev/null 2>&1 || true
fi
