#!/usr/bin/env bash
# Packs the conformance suite, installs it in an empty project as a user would, and runs it there: against this
# checkout's tsrunc, which must keep every MUST, and against runc and crun, for the page that shows them side by side.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
checkout=$PWD
page=$checkout/dist/conformance.html
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node scripts/conformance.mjs
tarball=$work/$(cd dist/conformance && npm pack --silent --pack-destination "$work")
cd "$work"
npm init --yes >/dev/null
npm install --no-audit --no-fund --loglevel=error "$tarball"
suite=(npx --no-install tsrunc-conformance)
status=0
"${suite[@]}" --runtime "$checkout/dist/tsrunc" --format json --output tsrunc.json || status=$?
"${suite[@]}" tsrunc.json
"${suite[@]}" --runtime runc --level must --format json --output runc.json || (($? == 1))
# crun refuses a hybrid host whose cgroup2 mount has controllers: it gets a view without that mount.
unshare --mount sh -c '[ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified; exec "$@"' sh \
  "${suite[@]}" --runtime "crun --cgroup-manager=cgroupfs" --level must --format json --output crun.json || (($? == 1))
"${suite[@]}" --format html --output "$page" tsrunc.json runc.json crun.json
echo "the page is $page"
exit "$status"
