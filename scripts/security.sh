#!/usr/bin/env bash
# npm run test:security: every test that holds a promise of SECURITY.md. The last line is `N passed, N failed`.
# SECURITY_ROUNDS=1000 has each attack of test/security/watch-*.test.ts tried that often (3).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
. scripts/count.sh

((EUID == 0)) || die "these tests run containers and attack them, which needs root"
set_up "$BUILD_NEEDS $TEST_NEEDS"
LIMIT=${LIMIT:-1800} run_tests "attacks from inside and outside" "$BUN" test ./test/security
run_tests "classes of vulnerabilities" "$BUN" test ./conformance/security{,-processes}.test.ts
run_tests "rights and views" "$BUN" test ./conformance/{capabilities,isolation,idmap,devices,hook-circumstances,seccomp,seccomp-notify}.test.ts
run_tests "damaged and hostile input" "$BUN" test ./test/fuzz ./test/scale ./test/spec/{bad-input,literals}.test.ts
run_tests "users without rights" "$BUN" test ./test/rootless ./test/seccomp/rootless.test.ts
finish
