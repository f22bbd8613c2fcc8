# Sourced by demo.sh, test.sh and .ci/run: brings a fresh Debian machine to the point where the project builds.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Programs and files, and the Debian packages that have them.
BUILD_NEEDS="/usr/bin/cc:gcc /usr/include/stdio.h:libc6-dev musl-gcc:musl-tools objcopy:binutils busybox:busybox-static xz:xz-utils
  unshare:util-linux ps:procps mount:mount git:git"
TEST_NEEDS="script:bsdutils ip:iproute2 runc:runc crun:crun newuidmap:uidmap jq:jq strace:strace
  zsh:zsh fish:fish mandoc:mandoc man:man-db lintian:lintian /usr/include/seccomp.h:libseccomp-dev"

missing_packages() { # NEEDS
  local pair
  for pair in $1; do
    case $pair in
      /*) [[ -e ${pair%%:*} ]] || echo "${pair#*:}" ;;
      *) command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}" ;;
    esac
  done
}

install_packages() { # NEEDS
  local packages
  mapfile -t packages < <(missing_packages "$1")
  ((${#packages[@]} > 0)) || return 0
  command -v apt-get >/dev/null || die "these programs' Debian packages are missing, and there is no apt-get: ${packages[*]}"
  ((EUID == 0)) || die "these Debian packages are missing; install them as root: apt-get install ${packages[*]}"
  echo "installing Debian packages: ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "${packages[@]}")
  "${install[@]}" >/dev/null 2>&1 && return 0
  apt-get -qq update && "${install[@]}" >/dev/null
}

check_node() {
  command -v node >/dev/null || die "node is not installed; Node 20 or newer is needed"
  node -e 'process.exit(Number.parseInt(process.versions.node, 10) < 20 ? 1 : 0)' || die "node $(node --version) is too old; 20 or newer is needed"
}

install_modules() {
  [[ package-lock.json -nt node_modules/.package-lock.json ]] || return 0
  echo "npm install"
  # Not `npm ci`: it refuses a lock file without the optional packages of every other platform.
  npm install --no-save --no-audit --no-fund --loglevel=error
}

# Everything up to a finished build. The build's own output is only shown when it fails.
set_up() { # NEEDS
  # Debian keeps some of these where an ordinary user does not look.
  PATH=$PATH:/usr/sbin:/sbin
  install_packages "$1"
  check_node
  install_modules
  local log
  log=$(mktemp)
  if ! node scripts/build.mjs >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "the build failed"
  fi
  rm -f "$log"
  BUN=$(node --input-type=module -e 'import { findBun } from "./scripts/tools.mjs"; console.log(findBun())')
}

# Some tests read files of packages that they download.
fetch_package_lists() {
  ((EUID != 0)) || compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null || apt-get -qq update
}

# Folders with tests that need no engines and no VM.
unit_tests() {
  find test -name '*.test.ts' -not -path 'test/engines/*' -not -path 'test/browser/*' -not -path 'test/package/*' | cut -d/ -f1,2 | sort -u
}
