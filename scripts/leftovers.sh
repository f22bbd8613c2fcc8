# Sourced by .ci/run: what the whole run has left behind on the machine, whatever failed on the way.
# shellcheck shell=bash

# Processes of the run carry this in their environment; what runs in containers is told by its namespaces.
export TSRUNC_RUN=run-$$-$RANDOM$RANDOM

# Lines of `pid start-time`: a pid alone may be given out again.
processes() {
  local stat rest
  for stat in /proc/[0-9]*/stat; do
    read -r rest 2>/dev/null <"$stat" || continue
    set -f
    # shellcheck disable=SC2086 # the fields after the name, which may hold blanks and parentheses
    set -- ${rest##*) }
    set +f
    [[ $1 == [ZX] ]] || echo "${rest%% *} ${20}"
  done
}

# Where this cannot be told any more, the process has gone.
is_of_run() { # PID
  local kind own theirs
  [[ $1 != "$$" ]] || return 1
  ! grep -qzxF "TSRUNC_RUN=$TSRUNC_RUN" "/proc/$1/environ" 2>/dev/null || return 0
  for kind in mnt pid ipc uts user; do
    own=$(readlink "/proc/$$/ns/$kind")
    theirs=$(readlink "/proc/$1/ns/$kind" 2>/dev/null) || return 1
    [[ $own == "$theirs" ]] || return 0
  done
  return 1
}

# Control groups but those of services, of others who share our parent, and of what they start.
cgroups() {
  local mount own shared
  awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts | while read -r mount; do
    own=$(own_cgroup "$mount")
    shared=${own%/*}
    find "$mount" -mindepth 1 -type d 2>/dev/null | while read -r directory; do
      [[ $directory != *.@(slice|scope|service|mount|socket)* ]] || continue
      [[ -z $shared || $directory != "$mount$shared"/* || $directory == "$mount$own"/* ]] || continue
      echo "$directory"
    done
  done | sort
}

# This shell's path below a mount of a hierarchy; nothing when it is the root.
own_cgroup() { # MOUNT
  local controllers
  controllers=$(awk -v mount="$1" '$2 == mount && $3 == "cgroup" { print "," $4 "," }' /proc/self/mounts)
  awk -F: -v wanted="$controllers" '
    { path = $3 == "/" ? "" : $3; name = "," $2 ","; }
    wanted == "" && $1 == "0" { print path; exit }
    wanted != "" && $2 != "" && index(wanted, name) { print path; exit }' /proc/self/cgroup
}

snapshot() { # DIRECTORY
  mkdir -p "$1"
  processes | sort >"$1/processes"
  cut -d' ' -f5 /proc/self/mountinfo | sort >"$1/mounts"
  cgroups >"$1/cgroups"
  find /run/tsrunc /run/runc -mindepth 1 -maxdepth 1 2>/dev/null | sort >"$1/states" || true
}

# Lines of a kind that are new since the first snapshot.
added() { # BEFORE NOW KIND
  local line
  comm -13 "$1/$3" "$2/$3" | while read -r line; do
    [[ $3 != processes ]] || is_of_run "${line% *}" || continue
    echo "$line"
  done
}

# Says what has been left since the snapshot. Processes that are just ending get a moment. It only looks: what is new on
# a machine may be somebody else's, so removing things is left to the tests that made them.
nothing_left() { # BEFORE
  local now tries kind line left
  now=$(mktemp -d)
  for ((tries = 0; tries < 10; tries++)); do
    snapshot "$now"
    left=$(for kind in processes mounts cgroups states; do
      added "$1" "$now" "$kind" | while read -r line; do
        echo "left behind, of the $kind: $line$(describe "$kind" "$line")" | cut -c1-200
      done
    done)
    [[ -n $left ]] || break
    sleep 0.5
  done
  rm -rf "$now"
  [[ -z $left ]] || head -n 40 <<<"$left"
  [[ -z $left ]]
}

describe() { # KIND LINE
  [[ $1 != processes ]] || printf ' (%s)' "$(tr '\0' ' ' 2>/dev/null <"/proc/${2% *}/cmdline" | cut -c1-120)"
}
