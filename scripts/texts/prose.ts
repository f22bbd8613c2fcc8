/** What the manual says of each verb beyond the table: paragraphs, with `code` in backquotes. */
import type { VerbName } from "../../src/cli/table.ts";

export interface Prose {
  readonly description: readonly string[];
  /** Command lines, as root. */
  readonly examples?: readonly string[];
}

/** Verbs that are known and refused. */
export const REFUSED: readonly VerbName[] = ["checkpoint", "restore"];

const NOT_YET =
  "This version has no checkpoint and restore: the verb parses its command line and ends with an error that says so.";

export const PROSE: Readonly<Record<VerbName, Prose>> = {
  create: {
    description: [
      "Reads config.json of a bundle and makes the container it describes: namespaces, cgroup, mounts, devices, hooks and limits. Its first process then waits for `start`. The id may have letters, digits and `_+-.`, and must not be in use in the root directory.",
      "If anything fails, nothing is left behind, and the error names the part of config.json that it came from.",
    ],
    examples: ["tsrunc create --bundle /srv/box --pid-file /run/box.pid box"],
  },
  start: {
    description: ["Returns when the program of the container runs. The process of `create` becomes the program."],
  },
  run: {
    description: [
      "Does what `create`, `start` and, when the program has ended, `delete` do. In the foreground it passes signals and the terminal on, and ends with the exit status of the program, or with 128 and the number of the signal that ended it.",
      "Sockets of systemd's socket activation (`LISTEN_FDS`) are passed to the program.",
    ],
    examples: ["tsrunc run --bundle /srv/box box", "tsrunc run --detach --bundle /srv/box box"],
  },
  state: {
    description: [
      "The JSON has what the OCI runtime-spec asks for (ociVersion, id, status, pid, bundle, annotations) and rootfs, created and owner. The status is creating, created, running, paused or stopped. The pid of a stopped container is 0.",
    ],
  },
  kill: {
    description: [
      "SIGNAL is a number or a name, with or without SIG. KILL ends all processes of the container, also where they share the pid namespace of the host.",
    ],
    examples: ["tsrunc kill box HUP", "tsrunc kill --all box 9"],
  },
  delete: {
    description: [
      "Removes the cgroup, the state and whatever else the container has, and runs its poststop hooks. A container that is not stopped is refused without `--force`.",
    ],
  },
  exec: {
    description: [
      "Runs CMD in the namespaces and the cgroup of a created or running container, with the environment, user, capabilities, filter and limits of its first process where flags do not say otherwise. Behind the id all words belong to the command.",
      "In the foreground it ends with the exit status of the command; 255 is an error of tsrunc's own.",
    ],
    examples: ["tsrunc exec -t box sh", "tsrunc exec --user 1000:1000 --env LANG=C box id"],
  },
  list: {
    description: [
      "A root directory that was named and does not exist is an error; a missing default one is an empty list.",
    ],
  },
  ps: {
    description: [
      "The table is that of ps(1) for the processes of the container; further words are options of ps, `-ef` by default. As JSON it is a list of pids of the host.",
    ],
    examples: ["tsrunc ps box -o pid,rss,args"],
  },
  events: {
    description: [
      "Goes on until the container ends. Each line is an object with type, id and data; the type is stats or oom.",
    ],
    examples: ["tsrunc events --stats box | jq .data.memory.usage.usage"],
  },
  update: {
    description: [
      "What is not named stays as it is. With `--resources` other flags are not looked at, and a zero in the file means that the limit is not named.",
    ],
    examples: ["tsrunc update --memory 256M --pids-limit 100 box"],
  },
  spec: {
    description: [
      "Writes config.json for a shell in the directory of the bundle; one that is there already is not touched. Flags and the words after `--` fill in what people change most.",
    ],
    examples: ["tsrunc spec --rootfs rootfs --cpus 1 --memory 64M -- /bin/sh"],
  },
  features: {
    description: [
      "The JSON is that of the runtime-spec: namespaces, capabilities, mount options, cgroups, seccomp and more.",
    ],
  },
  check: {
    description: [
      "Looks for what is wrong with a bundle: its schema, the rules of the specification, and what this host lacks: namespaces, controllers, capabilities, mount sources and file systems, labels, devices, hooks, sysctls, limits that are too small, and whether the program is there and can run. Nothing is run or changed.",
      "Each finding is a line with its severity, the JSON pointer into config.json, and a hint where there is one. The exit status is 0 where there is no error, 1 where there is one, and 2 with `--strict` where there are warnings only.",
    ],
    examples: ["tsrunc check /bundles/web", "tsrunc check --strict --format json ."],
  },
  plan: {
    description: [
      "Everything that a container needs is decided before anything is touched, and written down as a list of operations. This prints the list, and needs no root for it. The id matters for names of directories and cgroups only.",
    ],
    examples: ["tsrunc plan --bundle /srv/box", "tsrunc plan --format json --bundle /srv/box | jq '.init[].op'"],
  },
  pause: { description: ["The processes are frozen by the cgroup, and do not notice."] },
  resume: { description: ["Signals that were sent meanwhile arrive now."] },
  checkpoint: { description: [NOT_YET] },
  restore: { description: [NOT_YET] },
  seccomp: {
    description: [
      "`seccomp disasm BUNDLE|FILE` prints the filter as instructions, `seccomp stats BUNDLE|FILE` says how large it is and how many instructions usual calls take, and `seccomp explain BUNDLE|FILE SYSCALL [ARG]...` says what becomes of a system call, and why. FILE is linux.seccomp of config.json as JSON; for `disasm` it may also hold instructions.",
    ],
    examples: ["tsrunc seccomp explain /srv/box clone 0x10000000"],
  },
  completion: {
    description: [
      "The script is to be sourced, or put where the shell looks for it. It completes verbs, flags, values and ids.",
    ],
    examples: [
      "source <(tsrunc completion bash)",
      "tsrunc completion zsh >/usr/local/share/zsh/site-functions/_tsrunc",
      "tsrunc completion fish >/etc/fish/completions/tsrunc.fish",
    ],
  },
};

export const PROGRAM = {
  description: [
    "tsrunc runs containers as the Open Container Initiative's runtime-spec describes them: from a bundle, a directory with config.json and a root file system. Engines such as containerd, Docker and Podman call it as they call runc; so may people.",
    "The options below stand before the verb. A flag is written as `--flag value`, `--flag=value` or `-flag value`; those of a verb may stand before or behind the id.",
  ],
  exitStatus:
    "`run` and `exec` end as the process did. Otherwise it is 0 for success and 1 for an error; 255 for an error of `exec`.",
  environment: [
    ["XDG_RUNTIME_DIR", "where state is kept without root, in `tsrunc`"],
    [
      "LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
      "sockets that `run` and `create` pass to the program, see sd_listen_fds(3)",
    ],
    ["NOTIFY_SOCKET", "socket of systemd to which the readiness of the container is passed on, see sd_notify(3)"],
    ["DBUS_SYSTEM_BUS_ADDRESS, DBUS_SESSION_BUS_ADDRESS", "where systemd is found for `--systemd-cgroup`"],
  ],
  files: [
    ["/run/tsrunc", "state of containers of root"],
    ["$XDG_RUNTIME_DIR/tsrunc", "state of containers of other users"],
    [
      "/run/tsrunc-cache, $XDG_RUNTIME_DIR/tsrunc-cache",
      "compiled seccomp filters of the user; they may be removed at any time",
    ],
  ],
} as const;
