# Sourced by test.sh and .ci/run: runs steps to their end, whatever fails, and adds up what they say.
# shellcheck shell=bash

passed=0
failed=0
parts=()

# A step that is one test: it passes when the command does.
check() { # NAME COMMAND…
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@" </dev/null; then
    passed=$((passed + 1))
    parts+=("$(printf '%5d s %6d passed %4d failed  %s' $((SECONDS - start)) 1 0 "$name")")
    printf '== %s: ok (%d s)\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    parts+=("$(printf '%5d s %6d passed %4d failed  %s' $((SECONDS - start)) 0 1 "$name")")
    printf '== %s: FAILED (%d s)\n' "$name" $((SECONDS - start))
  fi
}

counted() { # WORD LOG: the sum of N in the lines `N WORD`, the summaries of bun's runs
  awk -v word="$1" 'NF == 2 && $1 ~ /^[0-9]+$/ && $2 == word { sum += $1 } END { print sum + 0 }' "$2"
}

# A step that runs `bun test`: its own counts are added. A skipped test is a failed one: it shows nothing. So is a run
# that ends without counts, or not within LIMIT seconds.
run_tests() { # NAME COMMAND…
  local name=$1 start=$SECONDS log status=0 ok bad
  shift
  log=$(mktemp)
  printf '\n== %s\n' "$name"
  timeout --kill-after=20 "${LIMIT:-900}" "$@" 2>&1 </dev/null | tee "$log" || status=$?
  ok=$(counted pass "$log")
  bad=$(($(counted fail "$log") + $(counted skip "$log") + $(counted todo "$log")))
  rm -f "$log"
  if (((status != 0 && bad == 0) || ok + bad == 0)); then
    bad=1
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  parts+=("$(printf '%5d s %6d passed %4d failed  %s' $((SECONDS - start)) "$ok" "$bad" "$name")")
  printf '== %s: %d passed, %d failed (%d s)\n' "$name" "$ok" "$bad" $((SECONDS - start))
}

# The last line of all that is printed.
finish() {
  printf '\n'
  ((${#parts[@]} == 0)) || printf '%s\n' "${parts[@]}"
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0 && passed > 0))
}
