#!/bin/sh
# Becomes tsrunc: the executable of the package for this machine's architecture, or where there is none the same command
# line for Node. A shell is started in a millisecond, and needs no other program for this; npm installs one of these only.
self=$0
case $self in
  */*) ;;
  *) self=$(command -v -- "$self") ;;
esac
while [ -L "$self" ]; do
  # Where npm puts links: beside the packages, or in the bin directory of a prefix.
  here=${self%/*}
  if [ -f "$here/../tsrunc/bin/tsrunc" ]; then
    self=$here/../tsrunc/bin/tsrunc
  elif [ -f "$here/../lib/node_modules/tsrunc/bin/tsrunc" ]; then
    self=$here/../lib/node_modules/tsrunc/bin/tsrunc
  else
    self=$(readlink -f -- "$self")
  fi
done
package=${self%/*}/..
for arch in x64 arm64 riscv64 ppc64 s390x; do
  for place in "$package/node_modules" "$package/.."; do
    program=$place/@tsrunc/linux-$arch/tsrunc
    [ ! -x "$program" ] || exec "$program" "$@"
  done
done
exec node "$package/dist/cli.js" "$@"
