/**
 * The command line as data: every verb with its arguments and flags. The fast parser (parse.ts), shell completion
 * (completion.ts) and, while building, the help, the man pages and README's table are all made of this one table.
 *
 * A table is text, and only the entry of the verb in hand is parsed: objects for 150 flags would be made at
 * every start. Line 1 of an entry: the summary. Line 2: the positional arguments, `[X]` optional, `X…` everything
 * that follows, verbatim; `[-- X…]` only after `--`. Then one flag per line, `-s, --name VALUE  text`: no VALUE means a boolean, `N` an
 * integer, `VALUE…` a flag that may be repeated, `a|b` a choice.
 */

export type FlagKind = "bool" | "string" | "int" | "list" | "choice";

export interface FlagSpec {
  readonly name: string;
  /** One letter. */
  readonly short: string | undefined;
  readonly kind: FlagKind;
  /** Placeholder shown in help. */
  readonly value: string | undefined;
  readonly text: string;
}

export interface VerbSpec {
  readonly name: string;
  readonly summary: string;
  /** As shown in usage: `ID [SIGNAL]`. */
  readonly usage: string;
  /** Number of positional arguments, at least and at most. */
  readonly min: number;
  readonly max: number;
  /** Where the words of another command begin, among which no flag is ours: after the first argument, or after `--`. */
  readonly rest: "after-first" | "after-dashes" | "none";
  /** The entry in the table. */
  readonly entry: string;
}

const GLOBALS = `the options before the verb

--root DIR  directory for the state of containers (default: /run/tsrunc, or $XDG_RUNTIME_DIR/tsrunc without root)
--log FILE  write log lines to FILE instead of stderr
--log-format text|json  the form of log lines (default: text)
--debug  log also what is decided, and what becomes of it
--systemd-cgroup  let systemd manage the cgroups; cgroupsPath is slice:prefix:name then
--rootless auto|true|false  ignore cgroup permission errors (default: auto)
--cgroup-manager cgroupfs|systemd|disabled  who makes cgroups (default: cgroupfs)
-v, --version  print the version
-h, --help  show help`;

const BUNDLE = "-b, --bundle DIR  the bundle: a directory with config.json and a root filesystem (default: .)\n";
const TIMINGS = `--timings  print where the time went, to stderr
--timings-svg FILE  write it as a chart to FILE`;
/** crun's letter for it; \`plan\` has another use for that. */
const CONFIG = "--config FILE  take FILE in place of the bundle's config.json";
const CREATE = `--console-socket PATH  send the master of the terminal to this AF_UNIX socket
--pidfd-socket PATH  send a pidfd of the container's first process to this AF_UNIX socket
--pid-file FILE  write the pid of the container's first process to FILE
--no-pivot  use MS_MOVE and chroot instead of pivot_root (for a rootfs on a ramdisk)
--no-new-keyring  keep the caller's session keyring
--preserve-fds N  pass N descriptors, from 3 upwards, to the container
${TIMINGS}`;
const RUN = `-d, --detach  return when the container runs
--keep  do not delete the container when it has ended
--no-subreaper  do not become the reaper of orphans`;
const CRIU = `--image-path DIR  directory for the image files
--work-path DIR  directory for logs and temporary files
--tcp-established  allow open TCP connections
--ext-unix-sk  allow external unix sockets
--shell-job  allow shell jobs
--lazy-pages  use userfaultfd for lazy restore
--file-locks  allow file locks
--manage-cgroups-mode soft|full|strict|ignore  what becomes of the cgroups
--empty-ns NAME…  leave this namespace empty
--auto-dedup  remove what is twice in the images`;

const TABLE = {
  create: `set up a container, whose program does not run yet
ID
${BUNDLE}-f, ${CONFIG}
${CREATE}`,
  start: `run the program of a created container
ID`,
  run: `create and start a container, wait for it and delete it
ID
${BUNDLE}-f, ${CONFIG}
${CREATE}
${RUN}`,
  state: `print the state of a container as JSON
ID`,
  kill: `send a signal (default: TERM) to a container
ID [SIGNAL]
-a, --all  to all of its processes`,
  delete: `delete a stopped container and what it holds
ID
-f, --force  kill it first; no error if there is none`,
  exec: `run another process in a container
ID CMD…
--console-socket PATH  send the master of the terminal to this AF_UNIX socket
--pidfd-socket PATH  send a pidfd of the process to this AF_UNIX socket
--cwd DIR  working directory inside the container
-e, --env NAME=VALUE…  add to the environment
-t, --tty  with a terminal
-u, --user UID[:GID]  run as this user
-g, --additional-gids GID…  add a group
-p, --process FILE  take the process (JSON, as in config.json) from FILE
-d, --detach  return when the process runs
--pid-file FILE  write the pid to FILE
--process-label LABEL  SELinux label
--apparmor PROFILE  AppArmor profile
--no-new-privs  forbid the process to gain privileges
-c, --cap NAME…  add a capability
--preserve-fds N  pass N descriptors, from 3 upwards
--cgroup [CTRL:]PATH…  run in this sub-cgroup of the container's
--ignore-paused  even if the container is paused
${TIMINGS}`,
  list: `list the containers of a root directory

-f, --format table|json  how to print it (default: table)
-q, --quiet  only the ids`,
  ps: `show the processes of a container
ID [PS-OPTION…]
-f, --format table|json  how to print it (default: table)`,
  events: `print statistics and out-of-memory events as lines of JSON
ID
--interval DURATION  time between statistics, such as 5s (default: 5s)
--stats  statistics once, then exit`,
  update: `change the limits of a container
ID
-r, --resources FILE  take all limits (JSON, as linux.resources) from FILE, - for stdin
--blkio-weight N  weight of block I/O, 10 to 1000
--cpu-period N  CFS period in microseconds
--cpu-quota N  CPU time per period in microseconds, -1 for no limit
--cpu-burst N  CPU time that may be saved up, in microseconds
--cpu-share N  relative CPU weight
--cpu-rt-period N  real-time period in microseconds
--cpu-rt-runtime N  real-time CPU time per period in microseconds
--cpuset-cpus LIST  CPUs that may be used, such as 0-2,7
--cpuset-mems LIST  memory nodes that may be used
--cpu-idle N  1: run only when nothing else wants to
--memory BYTES  memory limit; K, M, G may follow, -1 for no limit
--memory-reservation BYTES  memory that is reclaimed last
--memory-swap BYTES  limit of memory and swap together
--pids-limit N  limit of tasks, -1 for no limit
--l3-cache-schema TEXT  Intel RDT: cache schema
--mem-bw-schema TEXT  Intel RDT: memory bandwidth schema`,
  spec: `write a config.json
[-- CMD…]
${BUNDLE}--rootless  for a user without root
--rootfs DIR  path of the root filesystem (default: rootfs)
--hostname NAME  host name in the container
--tty  with a terminal (default: true)
--cpus NUMBER  CPUs' worth of time, such as 1.5
--memory BYTES  memory limit; K, M, G may follow
--pids N  limit of tasks
--env NAME=VALUE…  add to the environment
--mount SRC:DST[:OPTS]…  add a bind mount
--readonly  root filesystem read-only (default: true)`,
  features: "print what this runtime supports as JSON\n",
  check: `tell what is wrong with a bundle on this host
[BUNDLE]
${BUNDLE}${CONFIG}
--strict  end with status 2 where there are warnings only
-f, --format text|json  how to print the findings (default: text)`,
  plan: `print the program that a bundle compiles to; nothing is done
[ID]
${BUNDLE}${CONFIG}
${CREATE}
${RUN}
--create  the program of create, not of run
-f, --format text|json  how to print it (default: text)`,
  pause: `suspend all processes of a container
ID`,
  resume: `let a paused container continue
ID`,
  checkpoint: `save the state of a running container to disk
ID
${CRIU}
--parent-path DIR  directory of an earlier pre-dump
--leave-running  let the container run on
--tcp-skip-in-flight  leave out TCP connections that are being made
--link-remap  allow files that have been unlinked
--status-fd N  write a byte here when the page server is ready
--page-server ADDR:PORT  send the pages there
--pre-dump  save only the memory, the container runs on`,
  restore: `start a container from a checkpoint
ID
${BUNDLE}${CRIU}
${RUN}
--console-socket PATH  send the master of the terminal to this AF_UNIX socket
--pid-file FILE  write the pid of the container's first process to FILE
--no-pivot  use MS_MOVE and chroot instead of pivot_root
--lsm-profile TYPE:NAME  LSM profile for the restored processes
--lsm-mount-context CONTEXT  LSM mount context`,
  seccomp: `look into the seccomp filter of a bundle
disasm|explain|stats [ARG…]`,
  completion: `print a completion script for a shell (default: bash)
[bash|zsh|fish]`,
} as const;

export type VerbName = keyof typeof TABLE;

/** Names of all verbs, in the order of the table. */
export function verbNames(): VerbName[] {
  return Object.keys(TABLE) as VerbName[];
}

export function isVerb(name: string): name is VerbName {
  return Object.hasOwn(TABLE, name);
}

export function verbSpec(name: VerbName): VerbSpec {
  return parseEntry(name, TABLE[name]);
}

/** The global options, as an entry without arguments. */
export function globalSpec(): VerbSpec {
  return parseEntry("", GLOBALS);
}

function parseEntry(name: string, entry: string): VerbSpec {
  const first = entry.indexOf("\n");
  const second = entry.indexOf("\n", first + 1);
  const usage = entry.slice(first + 1, second < 0 ? undefined : second);
  const words = usage.split(" ").filter((word) => word !== "" && !word.startsWith("[--"));
  const open = usage.includes("…");
  return {
    name,
    summary: entry.slice(0, first),
    usage,
    min: words.filter((word) => !word.startsWith("[") && !word.includes("…")).length,
    max: open ? Number.POSITIVE_INFINITY : words.length,
    rest: usage.startsWith("[--") ? "after-dashes" : open ? "after-first" : "none",
    entry,
  };
}

/** All flags of a verb. */
export function flagsOf(spec: VerbSpec): FlagSpec[] {
  return spec.entry.split("\n").slice(2).map(parseFlag);
}

/** One flag, by its name or letter, without looking at the others. */
export function findFlag(spec: VerbSpec, name: string): FlagSpec | undefined {
  const { entry } = spec;
  const short = name.length === 1;
  if (name.includes(" ")) return undefined;
  let at = entry.indexOf(short ? `\n-${name}, --` : `\n--${name} `);
  if (at < 0 && !short) {
    const behind = entry.indexOf(`, --${name} `);
    // Behind its letter: "\n-x, --name ".
    if (behind >= 3 && entry.startsWith("\n-", behind - 3)) at = behind - 3;
  }
  if (at < 0) return undefined;
  const end = entry.indexOf("\n", at + 1);
  return parseFlag(entry.slice(at + 1, end < 0 ? undefined : end));
}

function parseFlag(line: string): FlagSpec {
  const gap = line.indexOf("  ");
  const short = line.charAt(1) === "-" ? undefined : line.charAt(1);
  const [name = "", value] = line.slice(short === undefined ? 2 : 6, gap).split(" ");
  return { name, short, kind: kindOf(value), value: value?.replace("…", ""), text: line.slice(gap + 2) };
}

function kindOf(value: string | undefined): FlagKind {
  if (value === undefined) return "bool";
  if (value.endsWith("…")) return "list";
  if (value.includes("|")) return "choice";
  return value === "N" ? "int" : "string";
}

/** The words that a placeholder such as `table|json` allows; none where any word may stand. */
export function choicesOf(placeholder: string | undefined): readonly string[] {
  return placeholder?.includes("|") === true ? placeholder.replaceAll(/[[\]]/g, "").split("|") : [];
}
