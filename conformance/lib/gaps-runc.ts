/** What released versions of runc are known to fail. */
import type { Gap } from "./gaps.ts";
import { NET_DEVICES } from "./gaps-shared.ts";

const HOSTS = ["shared", "slave", "private", "unbindable"];

export const RUNC_GAPS: readonly Gap[] = [
  {
    why: "takes what the specification says is an error",
    tests: [
      "an empty key of the annotations is refused",
      "another file at the path of a device is an error*",
      "bad config: a relative read-only path",
      "intelRdt without a resctrl file system is refused: with a closID",
      "intelRdt without a resctrl file system is refused: with nothing",
      "schemata with a newline is refused",
      "a rule without names*",
      "errnoRet with an action that has none is refused",
      "defaultErrnoRet with an action that has none is refused",
      "listenerMetadata without listenerPath is refused",
    ],
  },
  { fixedIn: "1.3.0", why: "execCPUAffinity came with 1.3", tests: ["execCPUAffinity.final is*"] },
  { fixedIn: "1.4.0", why: "takes 0 for no limit", tests: ["pids.limit 0 is a limit*"] },
  {
    why: "sysfs is mounted anew or not at all",
    tests: [
      "in a user namespace sysfs with the host's network *",
      "in a user namespace sysfs with a network namespace that is joined *",
    ],
  },
  { why: "of crun's own", tests: ["run.oci.keep_original_groups *", "--config *"] },
  {
    why: "what is mounted on a mount in the rootfs that is shared with the host's reaches the host",
    tests: [
      ...["private", "slave", "shared", "rshared", "unbindable"].map(
        (value) => `below a shared mount with rootfsPropagation ${value} the host sees no mount`,
      ),
      "with --no-pivot nothing is moved onto the host's root",
    ],
  },
  {
    fixedIn: "1.2.0",
    why: "the options of a bind's file system were passed over",
    tests: ["a bind mount takes no options of a file system"],
  },
  {
    why: "an option does not take back the one before it, and `defaults` is taken for one of the file system",
    tests: "defaults relatime ratime rdev rdiratime rexec rnostrictatime rrelatime rrw rsuid rsymfollow"
      .split(" ")
      .map((name) => `the mount option ${name} that features names has its effect`),
  },
  {
    why: "an unbindable root cannot be cloned",
    tests: HOSTS.map((host) => `below a ${host} mount with rootfsPropagation runbindable the host sees no mount`),
  },
  { fixedIn: "1.2.0", why: "rsvd limits are not written", tests: ["resources: hugepageLimits"] },
  {
    cgroup: 2,
    why: "mounting cgroup2 takes the option nsdelegate from the host's own mount",
    tests: ["type cgroup shows the container's own cgroup in the host's cgroup namespace"],
  },
  {
    fixedIn: "1.2.0",
    why: "seccomp flags came with 1.2",
    tests: ["flags SECCOMP_FILTER_*", "SECCOMP_FILTER_FLAG_LOG: *"],
  },
  {
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
    cgroup: 1,
    why: "sees that shares are too small after they were written",
    tests: ["update refuses shares below *"],
  },
  {
    why: "linux.devices is passed over where /dev is bound; options that only mount(2) takes",
    tests: ["a device outside of /dev is made *", "options that only mount(2) takes *"],
  },
  { why: "create wants a process, which only start needs", tests: ["a container without a process *"] },
  { why: "capset is refused as a whole; nothing is said of what is not granted", tests: ["a capability that *"] },
  { fixedIn: "1.4.0", why: "memoryPolicy is of runtime-spec 1.3", tests: ["memoryPolicy *"] },
  {
    fixedIn: "1.2.0",
    why: "wants mappings in config.json even when the user namespace is joined; does not keep locked mount flags",
    tests: [
      "a user namespace is joined by path together with what it owns",
      "a bind mount in a user namespace keeps the locked flags of its source",
    ],
  },
  { why: "`defaults` is passed on as data", tests: ["a tmpfs with options defaults shows them"] },
  {
    why: "directories are made with the caller's umask",
    tests: ["the caller's umask does not change the modes of what the runtime makes"],
  },
  {
    why: "the root mount never gets these propagations",
    tests: ["rootfsPropagation shared *", "rootfsPropagation rshared *", "rootfsPropagation unbindable *"],
  },
  {
    why: "poststart hooks run before start; delete stops at the first poststop hook that fails",
    tests: [
      "all six kinds run in the order of the lifecycle",
      "poststart hooks read the state *",
      "a failing poststart hook fails start*",
      "a failing startContainer hook fails start*",
      "a failing poststop hook *",
      "all kinds run under run in the foreground too",
    ],
  },
  {
    why: "a foreground terminal needs /dev/tty",
    tests: ["run with a terminal works when the caller has none*"],
  },
  {
    sometimes: true,
    why: "of two creates with one id the loser may remove the winner's state; the losers of many starts hang",
    tests: ["of twenty creates with one id at once exactly one succeeds", "of ten starts at once exactly one succeeds"],
  },
  {
    fixedIn: "1.2.8",
    why: "open vulnerability: the source of a mask is not checked",
    tests: ["CVE-2025-31133: *"],
  },
  {
    why: "open vulnerability: /dev is followed",
    tests: ["CVE-2026-41579: a rootfs whose /dev is a symlink gets no devices outside"],
  },
  {
    why: "only bind mounts over /proc are checked",
    tests: ["CVE-2019-16884: a tmpfs over /proc/self/attr is refused"],
  },
  {
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
    why: "the mount of a root without a mount namespace is left behind",
    tests: ["a read-only root works in the host's mount namespace, *"],
  },
  {
    fixedIn: "1.4.0",
    ...NET_DEVICES,
  },
];
