#!/usr/bin/env bash
# npm run demo: from a fresh clone to a container's whole life.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

((EUID == 0)) || die "the demo limits memory and CPU of a container, which needs root: sudo npm run demo"

set_up "$BUILD_NEEDS"
[[ -x dist/tsrunc ]] || die "the build made no dist/tsrunc"

work=$(mktemp -d /tmp/tsrunc-demo.XXXXXX)
root=$work/state
clean_up() {
  "$ROOT/dist/tsrunc" --root "$root" delete --force demo >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT

# Shows a command as a user would type it, then runs it; the container's own output appears as it comes.
show() {
  local word line=
  for word in "$@"; do
    [[ $word == *[![:alnum:]/=.,:_+-]* ]] && word=${word@Q}
    line+=" $word"
  done
  printf '\n$%s\n' "$line"
  if [[ $1 == tsrunc ]]; then
    shift
    set -- "$ROOT/dist/tsrunc" --root "$root" "$@"
  fi
  "$@"
}

wait_until() { # STATUS
  local i
  for ((i = 0; i < 200; i++)); do
    "$ROOT/dist/tsrunc" --root "$root" state demo | grep "\"status\": \"$1\"" >/dev/null && return
    sleep 0.02
  done
  die "the container did not become $1"
}

bundle=$(bundle-examples/make.sh shell "$work/bundle")
rm "$bundle/config.json"
cd "$bundle"
greeting='echo "hello from $(hostname): I am process $$, and these are all I see:"; ps; sleep 600'

show tsrunc spec --rootfs rootfs --hostname demo --tty=false --cpus 1 --memory 64M -- /bin/sh -c "$greeting"
show tsrunc create demo
show tsrunc state demo
show tsrunc start demo
sleep 0.5
show tsrunc state demo
show tsrunc list
show tsrunc kill demo KILL
wait_until stopped
show tsrunc state demo
show tsrunc delete demo
show tsrunc list
printf '\nThat was a whole life. Now try bundle-examples/: bundle-examples/make.sh shell /tmp/shell && dist/tsrunc run -b /tmp/shell me\n'
