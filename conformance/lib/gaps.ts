/**
 * Tests that released versions of foreign runtimes are known to fail, with the reason. Such a test is expected to fail:
 * when it passes, the run fails, so that the table stays true. There are never rows for tsrunc.
 */
import { cgroupVersion, compareVersions, runtimeIdentity } from "./host.ts";

export interface Gap {
  readonly runtime: "runc" | "crun";
  /** First version that has it; absent when no release known to us does. */
  readonly fixedIn?: string;
  /** Only on hosts with this cgroup version. */
  readonly cgroup?: 1 | 2;
  /** The failure is a race, so that it cannot be expected: the test is listed as one to do. */
  readonly sometimes?: true;
  readonly why: string;
  /** Sentences of the tests, or their beginning followed by `*`. */
  readonly tests: readonly string[];
}

const GAPS: readonly Gap[] = [
  {
    runtime: "crun",
    cgroup: 2,
    why: "the cgroup is left when a namespace cannot be joined; mounting cgroup2 takes nsdelegate away",
    tests: [
      ...["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"].map(
        (type) => `a ${type} namespace path *`,
      ),
      "type cgroup shows the container's own cgroup in the host's cgroup namespace",
    ],
  },
  { runtime: "runc", fixedIn: "1.2.0", why: "rsvd limits are not written", tests: ["resources: hugepageLimits"] },
  { runtime: "crun", why: "rsvd limits are not written", tests: ["resources: hugepageLimits"] },
  {
    runtime: "runc",
    cgroup: 2,
    why: "mounting cgroup2 takes the option nsdelegate from the host's own mount",
    tests: ["type cgroup shows the container's own cgroup in the host's cgroup namespace"],
  },
  {
    runtime: "runc",
    fixedIn: "1.2.0",
    why: "seccomp flags came with 1.2",
    tests: ["flags SECCOMP_FILTER_*", "SECCOMP_FILTER_FLAG_LOG: *"],
  },
  {
    runtime: "runc",
    fixedIn: "1.2.0",
    why: "time namespaces came with 1.2",
    tests: [
      "a new time namespace is not the host's",
      "a time namespace is joined by path",
      "time offsets shift the clocks of a new time namespace",
      "negative time offsets shift the clocks back",
      "namespaces in any order in config.json work",
    ],
  },
  {
    runtime: "runc",
    fixedIn: "1.2.0",
    why: "fields of runtime-spec 1.1 and 1.2: scheduler, ioPriority, domainname, cpu.burst, cpu.idle, personality",
    tests: [
      "the scheduling policy of an exec's *",
      "scheduler *",
      "ioPriority *",
      "domainname *",
      "resources: cpu.burst",
      "resources: cpu.idle",
      "personality LINUX32 is set",
      "bad config: unknown scheduler policy",
      "bad config: unknown ioPriority class",
      "bad config: timeOffsets without a time namespace",
      "bad config: unknown personality",
    ],
  },
  {
    runtime: "runc",
    fixedIn: "1.2.0",
    why: "KILL reaches the first process only, and none when that is gone",
    tests: [
      "kill KILL ends all of a container that shares the pid namespace",
      "kill KILL ends what is left when the first process is gone*",
      "kill KILL leaves nothing of a container that keeps making processes",
      "kill KILL ends a paused container that shares the pid namespace",
    ],
  },
  {
    runtime: "runc",
    cgroup: 1,
    why: "sees that shares are too small after they were written",
    tests: ["update refuses shares below *"],
  },
  { runtime: "runc", fixedIn: "1.4.0", why: "memoryPolicy is of runtime-spec 1.3", tests: ["memoryPolicy *"] },
  {
    runtime: "runc",
    fixedIn: "1.2.0",
    why: "wants mappings in config.json even when the user namespace is joined; does not keep locked mount flags",
    tests: [
      "a user namespace is joined by path together with what it owns",
      "a bind mount in a user namespace keeps the locked flags of its source",
    ],
  },
  { runtime: "runc", why: "`defaults` is passed on as data", tests: ["a tmpfs with options defaults shows them"] },
  {
    runtime: "runc",
    why: "directories are made with the caller's umask",
    tests: ["the caller's umask does not change the modes of what the runtime makes"],
  },
  {
    runtime: "runc",
    why: "the root mount never gets these propagations",
    tests: ["rootfsPropagation shared *", "rootfsPropagation rshared *", "rootfsPropagation unbindable *"],
  },
  {
    runtime: "runc",
    why: "poststart hooks run before start; delete stops at the first poststop hook that fails",
    tests: [
      "all six kinds run in the order of the lifecycle",
      "poststart hooks read the state *",
      "a failing poststart hook fails start*",
      "a failing poststop hook *",
      "all kinds run under run in the foreground too",
    ],
  },
  {
    runtime: "runc",
    why: "a foreground terminal needs /dev/tty",
    tests: ["run with a terminal works when the caller has none*"],
  },
  {
    runtime: "runc",
    sometimes: true,
    why: "of two creates with one id the loser may remove the winner's state; the losers of many starts hang",
    tests: ["of twenty creates with one id at once exactly one succeeds", "of ten starts at once exactly one succeeds"],
  },
  {
    runtime: "runc",
    fixedIn: "1.2.8",
    why: "open vulnerability: the source of a mask is not checked",
    tests: ["CVE-2025-31133: *"],
  },
  {
    runtime: "runc",
    why: "open vulnerability: /dev is followed",
    tests: ["CVE-2026-41579: a rootfs whose /dev is a symlink gets no devices outside"],
  },
  {
    runtime: "runc",
    why: "only bind mounts over /proc are checked",
    tests: ["CVE-2019-16884: a tmpfs over /proc/self/attr is refused"],
  },
  {
    runtime: "runc",
    why: "not checked, or reported in several lines",
    tests: [
      "bad config: no ociVersion",
      "bad config: ociVersion 9.0.0",
      "bad config: ociVersion that is no version",
      "bad config: oomScoreAdj of 1001",
      "bad config: a mount without destination",
      "bad config: mappings without a user namespace",
      "bad config: a device without a path",
      "bad config: a device rule with unknown access",
      "bad config: seccomp without defaultAction",
      "bad config: a relative masked path",
      "bad config.json: null",
      "list with a --root that does not exist fails and does not make it",
    ],
  },
  {
    runtime: "crun",
    fixedIn: "1.9",
    why: "fields of runtime-spec 1.1 and later: time namespaces, scheduler, ioPriority, cpu.burst",
    tests: [
      "a new time namespace is not the host's",
      "a time namespace is joined by path",
      "time offsets shift the clocks of a new time namespace",
      "negative time offsets shift the clocks back",
      "scheduler *",
      "ioPriority *",
      "resources: cpu.burst",
    ],
  },
  { runtime: "crun", fixedIn: "1.24", why: "memoryPolicy is of runtime-spec 1.3", tests: ["memoryPolicy *"] },
  {
    runtime: "crun",
    why: "an option does not take back the one before it; nosymfollow is not known; propagation is set back to private",
    tests: [
      "a tmpfs with options nosuid,suid shows them",
      "a bind mount with options nosuid,suid shows them",
      "a tmpfs with options nodev,dev shows them",
      "a bind mount with options nodev,dev shows them",
      "a tmpfs with options noexec,exec shows them",
      "a bind mount with options noexec,exec shows them",
      "a tmpfs with options nodiratime,diratime shows them",
      "a bind mount with options nodiratime,diratime shows them",
      "a tmpfs with options nosymfollow *",
      "a tmpfs with options nosymfollow,symfollow shows them",
      "a bind mount with options nosymfollow shows them",
      "nosymfollow is enforced*",
      "rnoatime applies to mounts below too",
      "propagation option shared *",
      "propagation option rshared *",
      "propagation option unbindable *",
      "propagation option runbindable *",
      "a bind mount in a user namespace keeps the locked flags of its source",
    ],
  },
  {
    runtime: "crun",
    why: "modes and owners of what it makes differ",
    tests: [
      "a destination is made with mode 0755*",
      "a tmpfs without a mode *",
      "the caller's umask does not change the modes of what the runtime makes",
    ],
  },
  {
    runtime: "crun",
    why: "hooks: state of startContainer hooks, failing poststart and createRuntime hooks",
    tests: [
      "startContainer hooks read the state *",
      "poststop hooks run when create fails *",
      "a failing poststart hook fails start*",
    ],
  },
  {
    runtime: "crun",
    why: "terminals: the socket may be given in vain; size and /dev/null as stdin",
    tests: [
      "a console socket without a terminal is refused *",
      "run in the foreground takes the size over *",
      "run with a terminal works when the caller has none*",
    ],
  },
  {
    runtime: "crun",
    why: "details of the command line that differ from runc's",
    tests: [
      "an unknown signal is refused and nothing is sent",
      "a relative --pid-file is taken from the working directory",
      "LISTEN_FDS passes *",
      "--preserve-fds with a descriptor that is not open *",
      "HOME defaults to / for uid 4711 *",
      "list with a --root that does not exist *",
      "errors go to --log as JSON *",
      "bad program: it does not exist",
      "bad program: it is not in PATH",
      "bad program: a directory",
      "bad program: its interpreter does not exist",
    ],
  },
  {
    runtime: "crun",
    sometimes: true,
    why: "waits for processes that are left without a pid namespace",
    tests: ["orphans of a container without a pid namespace end with it"],
  },
  {
    runtime: "crun",
    sometimes: true,
    why: "SIGPIPE when a hook does not read the state; poststart hooks do not wait for startContainer hooks",
    tests: [
      "a hook that does not read its stdin does no harm",
      "all six kinds run in the order of the lifecycle",
      "all kinds run under run in the foreground too",
    ],
  },
  {
    runtime: "crun",
    cgroup: 1,
    why: "v1 files that newer kernels do not have or values it does not convert",
    tests: ["resources: blockIO.weight", "resources: cpu.quota -1"],
  },
  {
    runtime: "crun",
    why: "cgroups are left when setting limits fails",
    tests: [
      "a negative memory limit is refused *",
      "cpuset cpus that do not exist *",
      "cpu.quota below the kernel's least *",
    ],
  },
  {
    runtime: "crun",
    why: "no events; ps has neither ps(1)'s table nor its options, and a stopped container is an error",
    tests: [
      "events *",
      "ps prints the header of ps -ef *",
      "ps passes further arguments on *",
      "ps of a stopped container *",
      "ps fails for options of ps *",
      "ps of an unknown container fails",
    ],
  },
  {
    runtime: "crun",
    why: "pause: created stays created, twice is no error, KILL does not thaw",
    tests: [
      "a created container can be paused*",
      "pause of a paused container is refused*",
      "resume of a container that is not paused is refused",
      "pause and resume of a stopped and of an unknown container are refused",
      "kill KILL ends a paused container",
      "update of a created and of a paused container works*",
    ],
  },
  {
    runtime: "crun",
    sometimes: true,
    why: "does not wait until all is frozen",
    tests: ["a container is paused and resumed many times *"],
  },
  {
    runtime: "crun",
    why: "KILL reaches the first process only, and none when that is gone",
    tests: [
      "kill KILL ends all of a container that shares the pid namespace",
      "kill KILL ends what is left when the first process is gone*",
      "kill KILL leaves nothing of a container that keeps making processes",
      "kill KILL ends a paused container that shares the pid namespace",
      "kill of a stopped container fails, with --all it does not",
    ],
  },
  {
    runtime: "crun",
    why: "update: no units, -1 is written as it is, device rules are set anew, little is checked",
    tests: [
      "update --memory=*",
      "update --memory-reservation=8M *",
      'update --resources {"memory":{"limit":-1}} *',
      "update --cpu-quota=-1 *",
      'update --resources {"cpu":{"quota":-1,"period":50000}} *',
      "update --pids-limit=-1 *",
      'update --resources {"pids":{"limit":-1}} *',
      "update --resources reads a file, and zeros leave what is",
      "update of kernel memory warns *",
      "update refuses shares below *",
      "update refuses a cache schema *",
      "update refuses a bandwidth schema *",
      "update --resources refuses a limit of the wrong type",
      "update --resources refuses an array",
      "update leaves the device rules alone*",
      "update of a stopped and of an unknown container is refused",
    ],
  },
  { runtime: "crun", why: "mounts over /proc are not checked", tests: ["CVE-2019-16884: *"] },
  {
    runtime: "crun",
    why: "open vulnerability: /dev is followed",
    tests: ["CVE-2026-41579: a rootfs whose /dev is a symlink gets no devices outside"],
  },
  { runtime: "crun", why: "an image's /dev/null is opened", tests: ["CVE-2025-31133: *"] },
  {
    runtime: "crun",
    why: "descriptors that the caller leaves open can be reached by cwd",
    tests: ["CVE-2024-21626: no cwd *"],
  },
  {
    runtime: "crun",
    fixedIn: "1.28",
    why: "ids are not checked",
    tests: ['an id of "a b" *', 'an id of "ä" *', 'an id of "x;y" *', 'an id of "/abs" *'],
  },
  {
    runtime: "runc",
    fixedIn: "1.2.0",
    why: "id-mapped mounts, and binds that take flags away or keep locked ones, came with 1.2",
    tests: [
      "uidMappings and gidMappings of a mount *",
      "a mount that is mapped as the user namespace *",
      "the option idmap maps *",
      "idmap maps only *",
      "ridmap maps *",
      "an id-mapped mount *",
      'a bind of a ro,noexec mount with options "dev" *',
      'in a user namespace a bind of a nosuid,nodev,noexec mount with options "ro" *',
      "in a user namespace a bind of a ro mount cannot be *",
      "in a user namespace a bind of a nosuid mount cannot be *",
      "in a user namespace a bind of a noexec mount cannot be *",
    ],
  },
  {
    runtime: "runc",
    fixedIn: "1.3.0",
    why: "CPU affinity, namespaces of others, the mode of a tmpfs and sources made by earlier mounts are those of 1.2 to 1.5",
    tests: [
      "the program may run on all CPUs, *",
      "namespaces that the user namespace does not own *",
      "the mode that a tmpfs has taken *",
      "a bind shows what earlier mounts have put *",
    ],
  },
  {
    runtime: "runc",
    why: "the mount of a root without a mount namespace is left behind",
    tests: ["a read-only root works in the host's mount namespace, *"],
  },
  {
    runtime: "crun",
    why: "done in another way, where the specification leaves it open",
    tests: [
      "a createContainer hook starts in *",
      "a startContainer hook runs under the seccomp filter, *",
      "of several values of a variable the last counts, *",
      "the program may run on all CPUs, *",
      "the scheduling policy of an exec's *",
      "kill TERM ends a container that is created",
      "kill INT ends a container that is created",
      "kill HUP ends a container that is created",
      "the mode that a tmpfs has taken *",
      "a bind shows what earlier mounts have put *",
      "a read-only root works in the host's mount namespace, *",
    ],
  },
  {
    runtime: "crun",
    why: "mounts below an id-mapped one are not bound; a bind without options is made writable; binds of locked flags",
    tests: [
      "idmap maps only *",
      "ridmap maps *",
      "a bind of a ro,noexec,nosuid mount *",
      'in a user namespace a bind of a ro mount with options "nosuid,nodev" *',
      'in a user namespace a bind of a nosuid,nodev,noexec mount with options "ro" *',
      "in a user namespace a bind of a ro mount cannot be *",
      "in a user namespace a bind of a nosuid mount cannot be *",
      "in a user namespace a bind of a noexec mount cannot be *",
      "in a user namespace a bind of a relatime mount cannot be *",
      "in a user namespace a bind of a noatime mount cannot be *",
    ],
  },
  {
    runtime: "crun",
    why: "not checked, or with another exit status",
    tests: [
      "bad config: a device of unknown type",
      "bad config: a device rule with unknown access",
      "bad config: a device with a major number as string",
      "bad config: a hook that does not exist",
      "bad config: a hook timeout of 0",
      "bad config: a hook with a relative path",
      "bad config: a relative masked path",
      "bad config: a user namespace without mappings",
      "bad config: annotations of type array",
      "bad config: args of type string",
      "bad config: capabilities of type array",
      "bad config: env of type object",
      "bad config: env with a number",
      "bad config: hooks of type array",
      "bad config: hostname of type number",
      "bad config: mappings without a user namespace",
      "bad config: maskedPaths of type string",
      "bad config: memory.limit of type string",
      "bad config: mount options of type string",
      "bad config: namespaces of type object",
      "bad config: no args",
      "bad config: oomScoreAdj of type string",
      "bad config: pids.limit of type string",
      "bad config: relative cwd",
      "bad config: resources of type array",
      "bad config: root.readonly of type string",
      "bad config: sysctl of type array",
      "bad config: terminal of type string",
      "bad config: the same namespace twice",
      "bad config: timeOffsets without a time namespace",
      "bad config: uid of type string",
      "bad config: unknown ioPriority class",
      "bad config: unknown rootfsPropagation",
      "bad config: unknown scheduler policy",
      "bad config: user of type string",
    ],
  },
];

/** The row that says why `test` fails with the runtime under test, if there is one. */
export function knownGap(test: string): Gap | undefined {
  const { name, version } = runtimeIdentity();
  return GAPS.find(
    (gap) =>
      gap.runtime === name &&
      (gap.cgroup === undefined || gap.cgroup === cgroupVersion()) &&
      (gap.fixedIn === undefined || compareVersions(version, gap.fixedIn) < 0) &&
      gap.tests.some((pattern) => (pattern.endsWith("*") ? test.startsWith(pattern.slice(0, -1)) : test === pattern)),
  );
}
