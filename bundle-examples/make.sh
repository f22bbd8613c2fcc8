#!/usr/bin/env bash
# make.sh NAME [DIR]: makes the example bundle NAME from what a Debian machine has.
# Without DIR, in its own folder here. Then: tsrunc run -b DIR some-id
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  echo "make.sh: $*" >&2
  exit 1
}

# A static program from one C file.
static_program() { # SOURCE DESTINATION
  local compiler
  compiler=$(command -v musl-gcc || command -v cc) || die "no C compiler; install the Debian package musl-tools or gcc"
  "$compiler" -std=c11 -Os -Wall -Wextra -Werror -static -s -o "$2" "$1"
}

# A root file system with busybox under all its names; with the libraries it needs where it is not a static one.
busybox_rootfs() { # ROOTFS
  local busybox library name
  busybox=$(command -v busybox) || die "no busybox; install the Debian package busybox-static"
  mkdir -p "$1"/{bin,dev,etc,proc,root,sys,tmp}
  cp "$busybox" "$1/bin/busybox"
  for library in $(ldd "$busybox" 2>/dev/null | grep -o '/[^ )]*' || true); do
    mkdir -p "$1$(dirname "$library")"
    cp -L "$library" "$1$library"
  done
  for name in $("$busybox" --list); do
    [[ $name == busybox ]] || ln -sf busybox "$1/bin/$name"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$1/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' > "$1/etc/group"
  chmod 1777 "$1/tmp"
}

(($# == 1 || $# == 2)) || die "usage: make.sh NAME [DIR]"
name=$1
[[ $name != */* && -f $here/$name/config.json ]] || die "no example \`$name\`; there are: $(cd "$here" && echo */ | tr -d /)"
bundle=${2:-$here/$name}
mkdir -p "$bundle"
bundle=$(cd "$bundle" && pwd)
rm -rf "$bundle/rootfs"
mkdir -p "$bundle/rootfs"

case $name in
  hello | limits)
    mkdir -p "$bundle"/rootfs/{dev,proc,sys}
    static_program "$here/$name/$name.c" "$bundle/rootfs/$name"
    ;;
  *) busybox_rootfs "$bundle/rootfs" ;;
esac
if [[ $name == hooks ]]; then
  install -m 755 "$here/hooks/hook.sh" "$bundle/rootfs/bin/hook"
fi
if [[ $name == userns ]]; then
  chown -R 65534:65534 "$bundle/rootfs"
fi
if [[ $bundle != "$here/$name" ]]; then
  cp "$here/$name/config.json" "$bundle/config.json"
fi
echo "$bundle"
