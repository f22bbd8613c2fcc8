#!/usr/bin/env bash
# npm run bench [-- OPTION…]: set-up, build, then the benchmark in a mount namespace of its own, where it may unmount
# what crun 1.8 cannot live with. `npm run bench -- --help` says what there is.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

((EUID == 0)) || die "the benchmark runs containers, which needs root: sudo npm run bench"
set_up "$BUILD_NEEDS $TEST_NEEDS"
fetch_package_lists
node bench/build.mjs
outside=$(readlink /proc/self/ns/mnt)
export BENCH_OUTSIDE=$outside
exec unshare --mount --propagation private -- "$BUN" bench/main.ts "$@"
