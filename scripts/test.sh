#!/usr/bin/env bash
# npm test [-- PATH…]: set-up, build, then unit tests, examples and the conformance suite, or the tests below the given
# paths. The last line is `N passed, N failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
. scripts/count.sh

if (($# == 0)); then
  ((EUID == 0)) || die "the tests run containers, which needs root: sudo npm test; parts can do without: npm test -- test/spec"
  # Those with container engines take what those engines need: .ci/run has them.
  mapfile -t tests < <(unit_tests)
  set -- "${tests[*]}" conformance
fi
set_up "$BUILD_NEEDS $TEST_NEEDS"
fetch_package_lists
for paths in "$@"; do
  read -ra words <<<"$paths"
  run_tests "$paths" "$BUN" test "${words[@]/#/./}"
done
finish
