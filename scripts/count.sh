# Sourced by test.sh and .ci/run: runs steps to their end, whatever fails, and adds up what they say.
# shellcheck shell=bash

passed=0
failed=0

# A step that is one test: it passes when the command does.
check() { # NAME COMMAND…
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    passed=$((passed + 1))
    printf '== %s: ok (%d s)\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    printf '== %s: FAILED (%d s)\n' "$name" $((SECONDS - start))
  fi
}

# A step that runs `bun test`: its own counts are added. A run that ends without counts is one failure.
run_tests() { # NAME COMMAND…
  local name=$1 start=$SECONDS log status=0 ok bad
  shift
  log=$(mktemp)
  printf '\n== %s\n' "$name"
  "$@" 2>&1 | tee "$log" || status=$?
  ok=$(sed -n 's/^ *\([0-9][0-9]*\) pass$/\1/p' "$log" | tail -n 1)
  bad=$(sed -n 's/^ *\([0-9][0-9]*\) fail$/\1/p' "$log" | tail -n 1)
  rm -f "$log"
  if ((status != 0 && ${bad:-0} == 0)); then
    bad=1
  fi
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${bad:-0}))
  printf '== %s: %d passed, %d failed (%d s)\n' "$name" "${ok:-0}" "${bad:-0}" $((SECONDS - start))
}

finish() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0 && passed > 0))
}
