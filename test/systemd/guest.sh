#!/bin/bash
# Runs in a VM with systemd: guest.sh system|user RUNTIME. One line per check: `ok NAME` or `not ok NAME: …`.
set -u
[[ -d /run/vm && -d /run/systemd/system ]] || { echo "not ok it runs in a VM with systemd"; exit 1; }
mode=$1 runtime=$2
work=$(mktemp -d) slice=$([[ $mode == user ]] && echo user.slice || echo tsr-test.slice)
root=$work/state unit=tst-one.scope
ctl() { if [[ $mode == user ]]; then systemctl --user "$@"; else systemctl "$@"; fi; }
rt() { "$runtime" --root "$root" --systemd-cgroup "$@"; }
ok() { echo "ok $1"; }
is() { if [[ $2 == "$3" ]]; then ok "$1"; else echo "not ok $1: expected \`$3\`, found \`$2\`"; fi; }
# What it said and its status; through a file, since a container keeps a pipe open.
try() { "$@" </dev/null >/dev/null 2>"$work/err"; out=$?:$(<"$work/err"); }
has() { if [[ $2 == *"$3"* ]]; then ok "$1"; else echo "not ok $1: expected \`$3\` in \`$2\`"; fi; }
prop() { ctl show -P "$2" "$1"; }
# systemd takes a scope away when the kernel has told it that it is empty.
gone() { for _ in {1..100}; do [[ $(prop "$1" LoadState) == not-found ]] && return; sleep .1; done; }

# bundle NAME CGROUPSPATH RESOURCES ANNOTATIONS ARGS
bundle() {
  mkdir -p "$work/$1/rootfs/bin" "$work/$1/rootfs/"{proc,sys,dev,tmp}
  cp "$(command -v busybox)" "$work/$1/rootfs/bin/busybox"
  local user='' maps=''
  if [[ $mode == user ]]; then
    user=',{"type":"user"}'
    maps="\"uidMappings\":[{\"containerID\":0,\"hostID\":$(id -u),\"size\":1}],\"gidMappings\":[{\"containerID\":0,\"hostID\":$(id -g),\"size\":1}],"
  fi
  cat > "$work/$1/config.json" <<JSON
{"ociVersion":"1.2.0","root":{"path":"rootfs"},"annotations":$4,
 "process":{"user":{"uid":0,"gid":0},"cwd":"/","env":["PATH=/bin"],"args":$5},
 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
           {"destination":"/dev","type":"tmpfs","source":"tmpfs"},
           {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}],
 "linux":{"cgroupsPath":"$2",$maps"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"cgroup"}$user],"resources":$3}}
JSON
}
limits='{"memory":{"limit":67108864,"reservation":33554432,"swap":134217728},"cpu":{"shares":2048,"quota":25300,"period":50000,"cpus":"0"},"pids":{"limit":50}}'
sleeper='["/bin/busybox","sleep","1000"]'

bundle one "$slice:tst:one" "$limits" '{"org.systemd.property.TimeoutStopSec":"uint64 7"}' "$sleeper"
cd "$work/one" || exit 1
s=$(date +%s%N)
try rt create --pid-file "$work/pid" one; is create "$out" "0:"
echo "# create took $((($(date +%s%N) - s) / 1000000)) ms"
pid=$(<"$work/pid")
group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
is 'systemd knows the cgroup' "/sys/fs/cgroup$(prop $unit ControlGroup)" "$group"
has 'the cgroup is in the slice' "$group" "$slice/$unit"
is 'state before start' "$(prop $unit ActiveState)/$(prop $unit SubState)" active/running
is Slice "$(prop $unit Slice)" "$slice"
is Delegate "$(prop $unit Delegate)" yes
is MemoryMax "$(prop $unit MemoryMax)" 67108864
is MemoryLow "$(prop $unit MemoryLow)" 33554432
is MemorySwapMax "$(prop $unit MemorySwapMax)" 67108864
is TasksMax "$(prop $unit TasksMax)" 50
is CPUQuotaPerSecUSec "$(prop $unit CPUQuotaPerSecUSec)" 510ms
is CPUQuotaPeriodUSec "$(prop $unit CPUQuotaPeriodUSec)" 50ms
is CPUWeight "$(prop $unit CPUWeight)" "$(<"$group/cpu.weight")"
is AllowedCPUs "$(prop $unit AllowedCPUs)" 0
is 'annotated TimeoutStopSec' "$(prop $unit TimeoutStopUSec)" 7s
is memory.max "$(<"$group/memory.max")" 67108864
is 'cpu.max is what systemd can hold' "$(<"$group/cpu.max")" '25500 50000'
is pids.max "$(<"$group/pids.max")" 50
is cpuset.cpus "$(<"$group/cpuset.cpus")" 0
rt start one; is start $? 0
is 'exec is in the scope' "$(rt exec one /bin/busybox cat /proc/self/cgroup)" '0::/'
ctl daemon-reload
is 'limits outlive a reload' "$(<"$group/memory.max") $(<"$group/pids.max") $(<"$group/cpuset.cpus") $(<"$group/cpu.max")" '67108864 50 0 25500 50000'
s=$(date +%s%N)
try rt update --memory 100M --memory-swap -1 --pids-limit 77 --cpu-quota 20100 one; is update "$out" "0:"
echo "# update took $((($(date +%s%N) - s) / 1000000)) ms"
is 'MemoryMax after update' "$(prop $unit MemoryMax)" 104857600
is 'MemorySwapMax after update' "$(prop $unit MemorySwapMax)" infinity
is 'TasksMax after update' "$(prop $unit TasksMax)" 77
is 'files after update' "$(<"$group/memory.max") $(<"$group/pids.max") $(<"$group/cpu.max")" '104857600 77 20500 50000'
rt update --pids-limit 99 --cpuset-cpus 4000 one 2>/dev/null; is 'an update that the kernel refuses fails' $? 1
is 'and systemd was not told of it' "$(prop $unit TasksMax) $(<"$group/pids.max")" '77 77'
if [[ $mode == system ]]; then
  bundle two "$slice:tst:one" '{}' '{}' "$sleeper"
  try rt create --bundle "$work/two" two; has 'a second container in the unit is refused' "$out" 'cgroup is not empty'
fi
s=$(date +%s%N)
try rt delete --force one; is delete "$out" "0:"
echo "# delete took $((($(date +%s%N) - s) / 1000000)) ms"
is 'the unit is gone at once' "$(prop $unit LoadState)" not-found
is 'the cgroup is gone' "$(ls -d "$group" 2>&1 | grep -c 'No such')" 1

# An id alone, and a run: the unit goes with the container.
bundle run '' '{}' '{}' '["/bin/busybox","sh","-c","exit 3"]'
try rt run --bundle "$work/run" a+b; is 'run returns the status' "$out" "3:"
is 'no unit is left of it' "$(ctl list-units --all --no-legend 'tsrunc-*' | wc -l)" 0

# A failed unit of the name, as an older runtime or a crash leaves it.
args=$([[ $mode == user ]] && echo --user)
systemd-run $args --quiet --unit=tst-failed.scope --scope -p RuntimeMaxSec=1 sleep 100 >/dev/null 2>&1 || true
[[ $(prop tst-failed.scope ActiveState) == failed ]] || echo "not ok there is a failed unit to begin with: $(prop tst-failed.scope ActiveState)"
bundle failed "$slice:tst:failed" '{}' '{}' "$sleeper"
try rt run -d --bundle "$work/failed" failed; is 'a failed unit of the name is reset' "$out" "0:"
is 'and is active then' "$(prop tst-failed.scope ActiveState)" active

# A container whose scope fails: it can be looked at until delete, which leaves nothing.
rt delete --force failed; is 'delete after that' $? 0
bundle kept "$slice:tst:kept" '{}' "{\"org.systemd.property.RuntimeMaxUSec\":\"uint64 1000000\",\"org.systemd.property.TimeoutStopUSec\":\"uint64 100000\"}" "$sleeper"
rt run -d --bundle "$work/kept" kept </dev/null >/dev/null 2>&1; is 'run with properties' $? 0
for _ in {1..100}; do [[ $(prop tst-kept.scope ActiveState) == failed ]] && break; sleep .2; done
is 'its unit fails' "$(prop tst-kept.scope ActiveState)" failed
rt delete --force kept; is 'delete with a failed unit' $? 0
is 'no failed unit is left' "$(ctl list-units --all --no-legend 'tst-*' | wc -l)" 0

# What cannot be.
bundle bad "$slice:tst:bad" '{}' '{"org.systemd.property.SuccessAction":"'"'reboot'"'"}' "$sleeper"
try rt create --bundle "$work/bad" bad; has 'properties that are not safe are refused' "$out" 'SuccessAction'
bundle bad /a/b '{}' '{}' "$sleeper"
try rt create --bundle "$work/bad" bad; has 'a path for cgroupfs is refused' "$out" 'slice:prefix:name'
bundle bad "$slice:tst:bad" '{}' '{}' '["/nonexistent"]'
rt create --bundle "$work/bad" bad </dev/null >/dev/null 2>&1; is 'a create that fails late' $? 1
gone tst-bad.scope
is 'leaves no unit' "$(prop tst-bad.scope LoadState)" not-found
if [[ $mode == system ]]; then
  # Without the private socket there is the message bus.
  mv /run/systemd/private /run/systemd/private.away
  bundle bus "$slice:tst:bus" '{"pids":{"limit":20}}' '{}' "$sleeper"
  s=$(date +%s%N)
  try rt run -d --bundle "$work/bus" bus; is 'by the message bus' "$out" "0:"
  echo "# run by the message bus took $((($(date +%s%N) - s) / 1000000)) ms"
  mv /run/systemd/private.away /run/systemd/private
  is 'TasksMax by the message bus' "$(prop tst-bus.scope TasksMax)" 20
  rt delete --force bus; is 'delete after that too' $? 0
fi
echo "# done"
