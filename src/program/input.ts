import type { CgroupFacts } from "../cgroups/facts.ts";
import type { CgroupPlan } from "../cgroups/types.ts";
import type { ResctrlPlan } from "../resctrl/types.ts";
import type { CompiledFilter } from "../seccomp/compile.ts";
import type { Spec } from "../spec/types.ts";

/** What the compiler may know of the host; all that is not in config.json. */
export interface HostFacts {
  readonly euid: number;
  readonly egid: number;
  /** /proc/sys/kernel/cap_last_cap. */
  readonly lastCap: number;
  /** Bounding set of this process: what it can pass on. */
  readonly boundingSet: bigint;
  readonly cgroup: CgroupFacts;
  /** `apparmor` and `selinux` when the kernel has them active (/sys/kernel/security, /sys/fs/selinux). */
  readonly lsm: readonly string[];
  /** Paths of the setuid helpers of shadow-utils, where installed. */
  readonly newuidmap: string | undefined;
  readonly newgidmap: string | undefined;
  /** /proc/kcore is there (CONFIG_PROC_KCORE). */
  readonly kcore: boolean;
  /** Soft RLIMIT_NOFILE that the caller had, where it is known to differ from ours. */
  readonly nofile: number | undefined;
  /** The runtime itself runs in a user namespace that is not the initial one. */
  readonly inUserNamespace: boolean;
  /** The network namespace that is to be joined is the one that the runtime is in. */
  readonly ownNetwork: boolean;
  /** Where resctrl is mounted; looked for only where the config asks for it. */
  readonly resctrl: string | undefined;
}

/** One container to compile: everything that create and run decide upon. */
export interface CompileInput {
  readonly spec: Spec;
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  /** Absolute, links resolved. */
  readonly rootfs: string;
  /** `<root>/<id>`. */
  readonly stateDirectory: string;
  readonly facts: HostFacts;
  readonly cgroup: CgroupPlan;
  /** `linux.intelRdt`, where it is set. */
  readonly resctrl: ResctrlPlan | undefined;
  /** The compiled profile, where there is one. */
  readonly seccomp: CompiledFilter | undefined;
  /** What state.json is to hold, with PID and START markers. */
  readonly stateTemplate: string;
  /** The same while it is still being created: what `state` tells hooks that ask. */
  readonly creatingTemplate: string;
  /** Environment that hooks without `env` inherit. */
  readonly environment: readonly string[];
  readonly mode: "create" | "run" | "run-detached";
  readonly keep: boolean;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly noSubreaper: boolean;
  readonly preserveFds: number;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket: string | undefined;
  readonly pidFile: string | undefined;
  /** `$NOTIFY_SOCKET` and `$LISTEN_FDS` of the caller. */
  readonly notifySocket: string | undefined;
  readonly listenFds: number;
}
