/**
 * The table of ops: what tsrunc-init can do. It is defined here and nowhere else: the C header with
 * opcodes and operand layouts is generated from it at build time (scripts/generate-ops.ts), and the
 * C build fails while a handler is missing.
 *
 * An op is one 8-byte head followed by one 8-byte word per operand, in the order written here.
 * Operand kinds:
 *   u64, i64  a number               slot   an entry of the executor's fd table, -1 for none
 *   bool      0 or 1                 errnos up to four errno names that count as success
 *   str       a string without NUL   str?   the same, or absent
 *   text      a string in which PID, START and EXIT (below) are replaced when the op runs
 *   texts     a list of text         strs   a list of strings
 *   bytes     raw bytes              dbus   D-Bus messages, one after the other
 * `steps` names what can fail inside the op, in the order in which C counts them.
 * `on`: L = launcher (host side), I = container init, B = both.
 */
export const OPS = {
  // ---- files of the host ----
  mkdir: {
    on: "B",
    args: { path: "str", mode: "u64", parents: "bool", existOk: "bool", uid: "i64", gid: "i64" },
    steps: ["mkdir", "chown"],
  },
  write: { on: "B", args: { path: "str", text: "text", flags: "u64", ignore: "errnos" }, steps: ["open", "write"] },
  /** What was planned on a file's content holds only while that is its content. */
  expect: { on: "L", args: { path: "str", text: "str" }, steps: ["open", "changed"] },
  putFile: { on: "L", args: { path: "str", text: "text", mode: "u64" }, steps: ["open", "write", "rename"] },
  chown: { on: "L", args: { path: "str", uid: "i64", gid: "i64", ignore: "errnos" }, steps: ["chown"] },
  unlink: { on: "L", args: { path: "str", ignore: "errnos" }, steps: ["unlink"] },
  /** Not while the file `unless` holds anything. */
  rmdir: { on: "L", args: { path: "str", unless: "str?", ignore: "errnos" }, steps: ["rmdir"] },
  /** With all below it, on the same file system; the file `last` after everything else. */
  removeDir: { on: "L", args: { path: "str", last: "str" }, steps: ["open", "read", "unlink", "rmdir"] },
  /** A socket that init takes a connection from, once somebody starts the container. */
  listen: { on: "L", args: { slot: "slot", directory: "str", name: "str" }, steps: ["open", "socket", "bind"] },
  /** Locks a directory until the launcher ends. */
  lock: { on: "L", args: { path: "str" }, steps: ["open", "flock", "stale"] },
  // Slots 0-15 are inherited by init, 16-31 stay in the launcher.
  open: { on: "B", args: { slot: "slot", path: "str", flags: "u64" }, steps: ["open"] },
  connect: { on: "L", args: { slot: "slot", path: "str" }, steps: ["socket", "connect"] },
  sendPidfd: { on: "L", args: { slot: "slot" }, steps: ["sendmsg"] },
  /** Sockets for what the container tells the host's service manager (sd_notify(3)). */
  notifyListen: { on: "L", args: { slot: "slot", path: "str" }, steps: ["socket", "bind"] },
  /** Passes READY=1 on, once; in the background of a foreground run. `pid` 0: the launcher's child. */
  notifyForward: {
    on: "L",
    args: { slot: "slot", socket: "str", pid: "u64", background: "bool" },
    steps: ["fork", "open", "receive", "send"],
  },
  openNs: { on: "L", args: { slot: "slot", path: "text", type: "u64" }, steps: ["open", "type"] },
  /** A pidfd, proven to be of the process that started then: what exec enters. */
  openPidfd: { on: "L", args: { slot: "slot", pid: "u64", start: "u64" }, steps: ["open", "gone"] },
  /**
   * Clones a mount tree with the host's rights but in init's mount namespace, and hands it to init's next `bind`.
   * `idmap`: 1 maps the ids of the mount itself, 2 of all below it too; without maps as init's user namespace does.
   */
  sendTree: {
    on: "L",
    args: { path: "str", recursive: "bool", nofollow: "bool", idmap: "u64", uidMap: "str?", gidMap: "str?" },
    steps: ["namespace", "enter", "source", "leave", "send", "user namespace", "idmap"],
  },
  /**
   * Makes a device with the host's rights and hands it to init's next `device`. Where those are not enough, the host's at
   * `path`, if it is the same.
   */
  sendDevice: {
    on: "L",
    args: { path: "str", type: "u64", major: "u64", minor: "u64", mode: "u64", uid: "i64", gid: "i64" },
    steps: ["namespace", "enter", "make", "source", "leave", "send"],
  },
  /** Unmounts, last first, what was mounted on these paths below a root in the host's mount namespace. */
  unmount: { on: "L", args: { root: "str", paths: "strs" }, steps: ["open", "umount"] },
  // ---- cgroups ----
  attach: { on: "L", args: { path: "str", ignore: "errnos" }, steps: ["open", "write"] },
  /** Takes the place of all programs of the cgroup, or with `beside` stands beside them: each of them may deny. */
  deviceProgram: {
    on: "L",
    args: { cgroup: "str", program: "bytes", beside: "bool" },
    steps: ["open", "load", "query", "attach", "detach"],
  },
  cgroupRemove: { on: "L", args: { path: "str", kill: "bool", timeoutMs: "u64" }, steps: ["open", "kill", "rmdir"] },
  /** Writes `text` to `path` (unless text is empty) until the file `poll` holds `expect`, at most `timeoutMs` long. */
  writeUntil: {
    on: "L",
    args: { path: "str", text: "str", poll: "str", expect: "str", timeoutMs: "u64" },
    steps: ["open", "write", "read", "timeout"],
  },
  // ---- D-Bus ----
  /**
   * Calls a method and waits for its answer, on a connection for this call alone: the first of `peers`, who are called
   * directly, and `buses`, to which `greeting` is sent first, that takes one. Addresses are paths, or `@name`.
   * `call`: the same call in several forms; where the answer is an error of `otherwise` the next one is tried. Its byte
   * `pidAt` is where the pid of the container's process goes, -1: nowhere. Calls of `ahead` go out with it; what they are
   * answered does not matter.
   * An error of `ignore` is a success. One of `unheard` says that nobody knows whether the call was done, as does a connection
   * that is lost before the answer: the call is made again, and from then on an error of `settled` is a success. After one of `retry` the call is made again for `retryMs`, with `before` ahead.
   * `job`: wait for the end of the job of this unit whose path is the answer. Then `after` is sent.
   * Nothing is done where `file` is not there; nor is `after` sent, if it is gone by then. `warn`: failing is a warning.
   */
  busCall: {
    on: "L",
    args: {
      peers: "strs",
      buses: "strs",
      greeting: "dbus",
      ahead: "dbus",
      call: "dbus",
      pidAt: "i64",
      otherwise: "strs",
      ignore: "strs",
      unheard: "strs",
      settled: "strs",
      retry: "strs",
      retryMs: "u64",
      before: "dbus",
      job: "str?",
      after: "dbus",
      file: "str?",
      timeoutMs: "u64",
      warn: "bool",
    },
    steps: ["connect", "auth", "send", "receive", "timeout", "malformed", "call", "job"],
  },
  /** A line of /proc/PID/cgroup of the container's process must end in `line`. */
  inCgroup: { on: "L", args: { line: "str" }, steps: ["read", "elsewhere"] },
  // ---- the container's process, from outside ----
  clone: {
    on: "L",
    args: {
      flags: "u64",
      cgroup: "str?",
      userns: "slot",
      /** A process beside init shares its descriptors, to take the seccomp listener from it. */
      helper: "bool",
      /** Then it is that process which gives the listener to the agent, with this text, when init loads the filter. */
      agent: "str?",
      agentState: "str?",
      /** Init goes on as a child: the op fork. */
      forks: "bool",
    },
    steps: ["cgroup", "socketpair", "clone", "setns user"],
  },
  childWrite: { on: "L", args: { file: "str", text: "text", ignore: "errnos" }, steps: ["open", "write"] },
  /**
   * Takes the child that the op fork made for init, as the kernel tells it. From here on nothing that init says is
   * believed: it can end the program, no more.
   */
  adopt: { on: "L", args: { stays: "bool" }, steps: ["receive", "died", "child"] },
  /** Waits until init is the user's program. `forbidden`: the container's filter is known to let nothing be executed. */
  awaitExec: { on: "L", args: { forbidden: "bool" }, steps: ["receive", "died", "forbidden"] },
  /** Raises the hard limit of init where it is lower; the soft one stays. */
  prlimit: { on: "L", args: { resource: "u64", hard: "u64" }, steps: ["prlimit"] },
  signal: {
    on: "L",
    args: { pid: "u64", start: "u64", signal: "u64", waitMs: "u64", ignore: "errnos" },
    steps: ["open", "gone", "send", "wait"],
  },
  /**
   * Connects to the socket that init waits on and reads what init says until it is the user's program. `cleanup` follows also
   * where one of init's ops from `first` to before `end` failed.
   */
  release: {
    on: "L",
    args: { path: "str", pid: "u64", start: "u64", first: "u64", end: "u64", forbidden: "bool" },
    steps: ["open", "gone", "read", "died", "forbidden"],
  },
  /** Signals wait for `supervise` from here on, so that none is lost between exec and the relay. */
  blockSignals: { on: "L", args: {}, steps: ["sigprocmask"] },
  /** Relays signals and the terminal until the container's process ends; its status becomes the program's. */
  supervise: { on: "L", args: {}, steps: ["signalfd", "poll", "wait"] },
  subreaper: { on: "L", args: {}, steps: ["prctl"] },
  // ---- network devices ----
  /** A socket for rtnetlink(7), in the network namespace of slot `ns`. */
  netlink: { on: "L", args: { slot: "slot", ns: "slot" }, steps: ["open", "enter", "socket", "leave"] },
  /** A device must be where the socket `from` is, and none named `free` where `to` is. */
  netFind: { on: "L", args: { from: "slot", to: "slot", name: "str", free: "str?" }, steps: ["find", "name"] },
  /**
   * Moves a device to the namespace `ns`, where the socket `to` is; there it is renamed, gets those of its addresses
   * again that have all of `addressFlags` and `addressScope`, and is up.
   */
  netMove: {
    on: "L",
    args: {
      from: "slot",
      to: "slot",
      ns: "slot",
      name: "str",
      rename: "str?",
      addressFlags: "u64",
      addressScope: "u64",
    },
    steps: ["find", "addresses", "move", "rename", "address", "up"],
  },
  /** Gives back what `netMove` moved, with all of its addresses, as long as the sockets are open. */
  netReturn: { on: "L", args: { host: "slot", there: "slot" }, steps: ["open", "move", "find"] },
  // ---- both ----
  /**
   * Of a failure the detail is the end of what was printed: of stdout, SEPARATOR, of stderr. With a `filter` the program
   * is under it, which its process loads by itself.
   */
  spawn: {
    on: "B",
    args: {
      path: "str",
      argv: "texts",
      env: "strs",
      home: "bool",
      umask: "u64",
      input: "text",
      timeoutMs: "u64",
      warn: "bool",
      filter: "bytes",
      filterFlags: "u64",
    },
    steps: ["pipe", "exec", "wait", "timeout", "status"],
  },
  post: { on: "B", args: { token: "u64" }, steps: ["send", "died"] },
  await: { on: "B", args: { token: "u64" }, steps: ["receive", "died", "unexpected"] },
  // ---- init: identity and namespaces ----
  setns: { on: "I", args: { slot: "slot", flags: "u64" }, steps: ["setns"] },
  unshare: { on: "I", args: { flags: "u64" }, steps: ["unshare"] },
  /** Enters the time namespace that `unshare` made for children. */
  timens: { on: "I", args: {}, steps: ["setns"] },
  becomeRoot: { on: "I", args: { groups: "bool" }, steps: ["setgroups", "setgid", "setuid"] },
  setsid: { on: "I", args: {}, steps: ["setsid"] },
  keyring: { on: "I", args: { name: "str", ignore: "errnos" }, steps: ["join", "permissions"] },
  hostname: { on: "I", args: { name: "str" }, steps: ["sethostname"] },
  domainname: { on: "I", args: { name: "str" }, steps: ["setdomainname"] },
  loopback: { on: "I", args: {}, steps: ["socket", "ioctl"] },
  // ---- init: the root file system. `dest` is always resolved inside the root ----
  propagation: { on: "I", args: { path: "str", flags: "u64" }, steps: ["mount"] },
  /** `parent` and `propagation` are MS_* flags for the mount that the root lies on, and for the root's own tree. */
  root: {
    on: "I",
    args: { path: "str", bind: "bool", parent: "u64", propagation: "u64" },
    steps: ["open", "clone", "parent", "move", "propagation"],
  },
  /** A new instance of a file system. `params` are `key` or `key=value`; with `classic` the first is mount(2)'s data. */
  mount: {
    on: "I",
    args: {
      type: "str",
      source: "str",
      dest: "str",
      params: "strs",
      attr: "u64",
      propagation: "u64",
      recursiveSet: "u64",
      recursiveClear: "u64",
      flags: "u64",
      /** The pid namespace of a procfs, where that is joined. */
      pidns: "slot",
    },
    steps: ["target", "fsopen", "option", "create", "fsmount", "attributes", "move", "propagation", "copy", "procfs"],
  },
  bind: {
    on: "I",
    args: {
      source: "str",
      dest: "str",
      recursive: "bool",
      set: "u64",
      clear: "u64",
      /** Bits of `clear` that may stay where the kernel has locked them. */
      implied: "u64",
      recursiveSet: "u64",
      recursiveClear: "u64",
      propagation: "u64",
      flags: "u64",
      idmap: "slot",
    },
    steps: ["source", "target", "clone", "attributes", "move", "propagation", "procfs", "idmap", "link"],
  },
  remount: {
    on: "I",
    args: {
      dest: "str",
      set: "u64",
      clear: "u64",
      recursiveSet: "u64",
      recursiveClear: "u64",
      propagation: "u64",
      data: "str?",
    },
    steps: ["target", "attributes", "propagation"],
  },
  rootDir: { on: "I", args: { dest: "str", mode: "u64" }, steps: ["mkdir"] },
  symlink: { on: "I", args: { target: "str", dest: "str", replace: "bool" }, steps: ["parent", "unlink", "symlink"] },
  device: {
    on: "I",
    args: {
      dest: "str",
      type: "u64",
      major: "u64",
      minor: "u64",
      mode: "u64",
      uid: "u64",
      gid: "u64",
      bind: "str?",
      keep: "bool",
      /** The launcher hands it over. */
      received: "bool",
    },
    steps: ["parent", "mknod", "chown", "chmod", "source", "target", "bind"],
  },
  nullDevice: { on: "I", args: {}, steps: ["open", "identity"] },
  /** `context`: SELinux label of what hides directories. */
  mask: { on: "I", args: { dest: "str", context: "str?" }, steps: ["open", "null", "tmpfs", "attach"] },
  readonly: { on: "I", args: { dest: "str" }, steps: ["open", "clone", "attributes", "attach"] },
  pivot: { on: "I", args: { mode: "u64" }, steps: ["open", "pivot_root", "old root", "move", "chroot", "chdir"] },
  rootAttributes: { on: "I", args: { set: "u64", propagation: "u64" }, steps: ["open", "attributes", "propagation"] },
  /** exec: the root of the mount namespace that was joined, or the directory of a slot. */
  enterRoot: { on: "I", args: { slot: "slot" }, steps: ["chroot", "open"] },
  sysctl: { on: "I", args: { path: "str", value: "str" }, steps: ["open", "write"] },
  procSelf: { on: "I", args: { file: "str", text: "str", ignore: "errnos" }, steps: ["open", "write"] },
  // ---- init: the process ----
  console: {
    on: "I",
    args: {
      socket: "slot",
      rows: "u64",
      columns: "u64",
      uid: "u64",
      clearOnlcr: "bool",
      mountConsole: "bool",
    },
    steps: ["open", "identity", "peer", "size", "target", "bind", "send", "chown", "dup"],
  },
  /** Makes the terminal on stdin that of this session. */
  controlTerminal: { on: "I", args: {}, steps: ["ioctl"] },
  /**
   * Closes and wipes all that init has of the host and no later op needs, but the slot `keep`: from here on there may be
   * somebody who can look into it.
   */
  forget: { on: "I", args: { keep: "slot" }, steps: ["wipe"] },
  /**
   * Goes on as a child, which is in the pid namespace that was entered; nothing of the host is open in it. With `stays`
   * its maker remains until the child is the user's program, which the op awaitExec learns by that.
   */
  fork: { on: "I", args: { stays: "bool" }, steps: ["madvise", "send", "fork"] },
  closeSlot: { on: "B", args: { slot: "slot" }, steps: ["close"] },
  closeFds: { on: "I", args: { keep: "u64" }, steps: ["close_range"] },
  umask: { on: "I", args: { mask: "u64" }, steps: ["umask"] },
  /** Of init, or by the launcher of its child. */
  scheduler: {
    on: "B",
    args: {
      policy: "u64",
      nice: "i64",
      priority: "u64",
      flags: "u64",
      runtime: "u64",
      deadline: "u64",
      period: "u64",
      utilMin: "u64",
      utilMax: "u64",
    },
    steps: ["sched_setattr"],
  },
  ioPriority: { on: "I", args: { value: "u64" }, steps: ["ioprio_set"] },
  affinity: { on: "I", args: { mask: "bytes" }, steps: ["sched_setaffinity"] },
  memoryPolicy: { on: "I", args: { mode: "u64", nodes: "bytes", bits: "u64" }, steps: ["set_mempolicy"] },
  personality: { on: "I", args: { persona: "u64" }, steps: ["personality"] },
  rlimit: { on: "B", args: { resource: "u64", soft: "u64", hard: "u64" }, steps: ["setrlimit"] },
  /** Gives the standard streams to the user; with `pipes` nothing that has a name on the host. */
  stdio: { on: "I", args: { uid: "u64", pipes: "bool" }, steps: ["fchown"] },
  home: { on: "I", args: { uid: "u64" }, steps: ["read"] },
  chdir: { on: "I", args: { path: "str", create: "bool", late: "bool" }, steps: ["mkdir", "chdir", "outside"] },
  noNewPrivileges: { on: "I", args: {}, steps: ["prctl"] },
  boundingSet: { on: "I", args: { mask: "u64", last: "u64" }, steps: ["prctl"] },
  credentials: {
    on: "I",
    args: { uid: "u64", gid: "u64", groups: "bytes", setGroups: "bool" },
    steps: ["keepcaps", "setgroups", "setgid", "setuid"],
  },
  capabilities: {
    on: "I",
    args: { effective: "u64", permitted: "u64", inheritable: "u64", ambient: "u64" },
    steps: ["capset", "ambient"],
  },
  /** Lowers all but the ambient set. */
  dropCapabilities: {
    on: "I",
    args: { effective: "u64", permitted: "u64", inheritable: "u64" },
    steps: ["capset"],
  },
  /** `last`: nothing comes after it but execve, so that a failure of that has to be told without a call. */
  seccomp: {
    on: "I",
    args: { filter: "bytes", flags: "u64", listener: "bool", last: "bool" },
    steps: ["load", "agent"],
  },
  /** Finds the first of `candidates` that can be executed; what is found is what `exec` runs. */
  lookup: { on: "I", args: { candidates: "strs" }, steps: ["access"] },
  /** Waits until somebody connects to the socket. */
  awaitStart: { on: "I", args: { slot: "slot" }, steps: ["accept", "write"] },
  /** All that is left to be done before `exec`, with which nothing has then to be done but call execve(2). */
  prepareExec: { on: "I", args: { argv: "strs", env: "texts" }, steps: ["outside"] },
  exec: { on: "I", args: { forbidden: "bool" }, steps: ["execve", "forbidden"] },
  // ---- the seccomp listener, by the launcher ----
  seccompListener: { on: "L", args: { slot: "slot", state: "text" }, steps: ["receive", "send", "died"] },
} as const;

/** Stands for the container's pid in the launcher's pid namespace (in hooks run by init: as init sees itself). */
export const PID = "\u0001p";
/** Stands for it in a D-Bus message: four bytes that no text and no length has. */
export const PID_PLACE = 0xffffffff;
/** Stands for the container's start time, field 22 of /proc/PID/stat, in clock ticks. */
export const START = "\u0001s";

/** Text of the user's in an operand of kind text: what looks like a marker stands for itself. */
export function literal(text: string): string {
  return text.includes("\u0001") ? text.replaceAll("\u0001", "\u0001\u0001") : text;
}

type Operand<K> = K extends "u64" | "i64"
  ? number | bigint
  : K extends "slot"
    ? number
    : K extends "bool"
      ? boolean
      : K extends "errnos"
        ? readonly string[]
        : K extends "str?"
          ? string | undefined
          : K extends "strs" | "texts"
            ? readonly string[]
            : K extends "bytes" | "dbus"
              ? Uint8Array
              : string;

export type OpName = keyof typeof OPS;

/** One op of the given name, with its operands and the part of config.json it came from. */
export type OpOf<N extends OpName> = {
  readonly op: N;
  /** JSON pointer into config.json. */
  readonly at?: string;
  /** Where this op fails, be it only as the kernel forbids it, go on with the next one; where it succeeds, skip the next one. */
  readonly orElse?: boolean | "forbidden";
  /** Failing is no failure. */
  readonly quiet?: boolean;
  /** What the op is for, as the user would say it: `mounts[3] (/sys/fs/cgroup)`. */
  readonly what?: string;
  /** Where parts of the op come from, by the names that an error's text may have for them: JSON pointers. */
  readonly origins?: Readonly<Record<string, string>>;
} & { readonly [A in keyof (typeof OPS)[N]["args"]]: Operand<(typeof OPS)[N]["args"][A]> };

export type Op = { [N in OpName]: OpOf<N> }[OpName];

/** Bits of `flags` of the ops mount and bind; `MF_*` in native/ops_mount.c. */
export const MOUNT_FLAGS = {
  /** Where the destination is a symbolic link, that is what is mounted on. */
  nofollow: 1,
  allowProc: 2,
  copyUp: 4,
  classic: 8,
  sourceNofollow: 16,
  inheritMode: 32,
  received: 64,
  /** The tree may stay in a group of the host's, which is to see nothing of what is mounted in it. */
  peers: 128,
  /** No part of the destination may be a symbolic link. */
  plain: 256,
  /** Where the source is a symbolic link, one like it is made. */
  copySymlink: 512,
  /** It is meant to be the root; a link of the image that leads there is not. */
  root: 1024,
} as const;
/** Values of `mode` of the op pivot; `PIVOT_*` in native/ops_root.c. */
export const PIVOT_MODES = { pivotRoot: 0, move: 1, chroot: 2 } as const;
/** `hard` of the op rlimit: leave the hard limit as it is. */
export const KEEP_HARD_LIMIT = (1n << 64n) - 2n;
/** What launcher and init tell each other. */
export const TOKENS = {
  released: 1,
  mounted: 2,
  hooked: 3,
  ready: 4,
  final: 5,
  tree: 6,
  timed: 7,
} as const;
/** First slot that only the launcher has; native/init.h's LAUNCHER_SLOTS. */
export const LAUNCHER_SLOT = 16;
/** Index of each list of a program, as failures name it. */
export const LISTS = ["launcher", "init", "cleanup"] as const;
