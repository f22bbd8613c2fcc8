#!/usr/bin/env bash
# npm test [-- PATH…]: set-up, build, then unit tests and the conformance suite, or the tests below the given paths.
# The last line is `N passed, N failed`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
. scripts/count.sh

set_up
(($# > 0)) || set -- test conformance
for path in "$@"; do
  run_tests "$path" "$BUN" test "./${path#./}"
done
finish
