#!/bin/sh
# The first process of a machine that arch-run boots: takes containers through their lives on cgroup v2, with what a
# static busybox has, and prints a line for each thing that must hold. /bundles has a config.json for each of them.
mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
CG=/sys/fs/cgroup
mkdir -p /rootfs/bin /rootfs/proc /rootfs/sys /rootfs/dev /rootfs/tmp
cp /bin/busybox /rootfs/bin/ && /bin/busybox --install -s /rootfs/bin

is() { # NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then echo "PASS $1"; else
    echo "FAIL $1: expected"; echo "  '$2', got"; echo "  '$3'"; fi
}
has() { # NAME PART TEXT
  case $3 in *"$2"*) echo "PASS $1" ;; *) echo "FAIL $1: no '$2' in"; echo "  '$3'" ;; esac
}
# What a verb says that leaves a container behind, whose output would keep a pipe open.
says() { "$@" >/tmp/said 2>&1 </dev/null; cat /tmp/said; }
status() { tsrunc state "$1" | sed -n 's/.*"status": "\(.*\)".*/\1/p'; }
pid() { tsrunc state "$1" | sed -n 's/.*"pid": \(.*\),.*/\1/p'; }
becomes() { # NAME STATUS ID
  n=0; while [ "$(status "$3")" != "$2" ] && [ $n -lt 200 ]; do n=$((n + 1)); usleep 50000; done
  is "$1" "$2" "$(status "$3")"
}

has "the executable starts" "spec: 1." "$(tsrunc --version)"
has "features name the machine's architecture" "SCMP_ARCH_$(echo "$ARCH" | tr a-z A-Z)" "$(tsrunc features)"
has "an error of the command line is told" 'did you mean' "$(tsrunc strat x 2>&1)"

is "create says nothing" "" "$(says tsrunc create --bundle /bundles/plain one)"
is "it is created" created "$(status one)"
is "start says nothing" "" "$(tsrunc start one 2>&1)"
is "it is running" running "$(status one)"
is "its processes are known" "[$(pid one)]" "$(tsrunc ps --format json one)"
is "exec sees the container" "box" "$(tsrunc exec one hostname 2>&1)"
is "exec is in the container's pid namespace" "/bin/sleep" "$(tsrunc exec one sh -c 'tr "\0" "\n" </proc/1/cmdline | head -n1')"
tsrunc exec one sh -c 'exit 7'; is "exec hands the status on" 7 $?
is "the memory limit is set" 67108864 "$(cat $CG/one/memory.max)"
is "the limit of processes is set" 20 "$(cat $CG/one/pids.max)"
is "the processor time is set" "50000 100000" "$(cat $CG/one/cpu.max)"
is "shares become weight" 59 "$(cat $CG/one/cpu.weight)"
has "statistics are read" '"pids":{"current":1,"limit":20}' "$(tsrunc events --stats one)"
is "update says nothing" "" "$(tsrunc update --pids-limit 10 --memory 33554432 one 2>&1)"
is "update changes limits" "10 33554432" "$(cat $CG/one/pids.max) $(cat $CG/one/memory.max)"
tsrunc update --pids-limit 3 one
has "the limit of processes holds" "can't fork" "$(tsrunc exec one sh -c 'sleep 0 | sleep 0' 2>&1)"
tsrunc update --pids-limit 20 one
has "a device that no rule allows cannot be opened" "Operation not permitted" \
  "$(tsrunc exec one sh -c 'mknod /tmp/mem c 1 1 && head -c1 /tmp/mem' 2>&1)"
is "a device that a rule allows can be" 0 "$(tsrunc exec one sh -c 'head -c1 /dev/zero >/dev/null; echo $?' 2>&1)"
is "the root is read-only" "touch: /x: Read-only file system" "$(tsrunc exec one touch /x 2>&1)"
is "pause says nothing" "" "$(tsrunc pause one 2>&1)"
is "it is paused" paused "$(status one)"
is "resume says nothing" "" "$(tsrunc resume one 2>&1)"
is "a second one of the same name is refused" 1 "$(tsrunc create --bundle /bundles/plain one >/dev/null 2>&1; echo $?)"
tsrunc kill one KILL
becomes "kill ends it" stopped one
is "delete says nothing" "" "$(tsrunc delete one 2>&1)"
is "delete leaves no cgroup and no state" "" "$(ls -d $CG/one /run/tsrunc/one 2>/dev/null)"

said=$(tsrunc run --bundle /bundles/run two 2>&1; echo ";$?")
is "run hands output and status on" "hello from box;3" "$(echo "$said" | tr -d '\n')"
has "a program that is not there is told" 'no such file or directory' "$(tsrunc run --bundle /bundles/missing three 2>&1)"
has "and by its place in config.json" '/process/args/0' "$(tsrunc run --bundle /bundles/missing three 2>&1)"
has "a mount that fails is told by op, errno and place" '/mounts/7' "$(tsrunc run --bundle /bundles/mount three 2>&1)"
has "times are told" 'pivot' "$(tsrunc run --timings --bundle /bundles/run three 2>&1)"
is "nothing of those is left" "" "$(ls /run/tsrunc)"

is "create in a user namespace says nothing" "" "$(says tsrunc run --detach --bundle /bundles/user four)"
is "inside it is root" "0 0" "$(tsrunc exec four sh -c 'echo $(id -u) $(id -g)')"
is "outside it is not" "100000" "$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' /proc/"$(pid four)"/status)"
is "the map is as wanted" "0 100000 65536" "$(tsrunc exec four cat /proc/self/uid_map | tr -s ' ' | sed 's/^ //')"
tsrunc delete --force four

is "run with a filter says nothing" "" "$(says tsrunc run --detach --bundle /bundles/filter five)"
is "the filter is on" 2 "$(tsrunc exec five sed -n 's/^Seccomp:\t//p' /proc/self/status)"
has "a call that is denied fails" "Operation not permitted" "$(tsrunc exec five mkdir /tmp/x 2>&1)"
has "a call that is denied by an argument fails" "Permission denied" "$(tsrunc exec five sh -c 'trap : USR1; kill -USR1 $$' 2>&1)"
is "the same call with another argument does not" 0 "$(tsrunc exec five sh -c 'trap : USR2; kill -USR2 $$; echo $?' 2>&1)"
has "all 64 bits of an argument are looked at" "Permission denied" "$(tsrunc exec five truncate -s 4294967297 /tmp/f 2>&1)"
is "as in the lower half" "" "$(tsrunc exec five truncate -s 1 /tmp/f 2>&1)"
has "the filter can be read" "return" "$(tsrunc seccomp disasm /bundles/filter/config.json 2>&1)"
tsrunc delete --force five
is "nothing is left" "" "$(ls /run/tsrunc; ls -d $CG/four $CG/five 2>/dev/null)"
echo "END"
sync
reboot -f
sleep 60
