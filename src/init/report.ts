/** What tsrunc-init appended to the program's file, and what that means to a user. */
import * as fs from "node:fs";
import { TsruncError } from "../errors.ts";
import { DEADLINE } from "../program/compile-scheduling.ts";
import { LISTS, OPS, type Op, type OpName } from "../program/ops.ts";
import type { ListName, Program } from "../program/program.ts";
import { RESCTRL } from "../resctrl/plan.ts";
import { LITTLE, viewOf } from "../sys/endian.ts";
import { errnoName, errnoPhrase, errnoText } from "../sys/errno.ts";
import { busHint, busMessage, busOrigin } from "./bus-words.ts";

/** `struct report` of native/init.h. */
const REPORT_SIZE = 520;
const DETAIL_AT = 40;
const KINDS = ["", "failure", "warning", "timing", "status", "child", "server"] as const;

export interface Report {
  readonly kind: (typeof KINDS)[number];
  readonly list: ListName;
  readonly index: number;
  readonly step: number;
  /** Errno, 0 where there was none. */
  readonly errno: number;
  /** Exit status or signal, as the op has it. */
  readonly aux: number;
  /** Of `child`: the start time of the process whose pid is `aux`, in clock ticks. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly detail: string;
}

/** The reports behind the program in its file. */
export function readReports(file: Buffer, programSize: number): Report[] {
  const reports: Report[] = [];
  const view = viewOf(file);
  for (let at = programSize; at + REPORT_SIZE <= file.length; at += REPORT_SIZE) {
    const end = file.indexOf(0, at + DETAIL_AT);
    reports.push({
      kind: KINDS[view.getUint32(at, LITTLE)] ?? "",
      list: LISTS[view.getUint32(at + 4, LITTLE)] ?? "launcher",
      index: view.getUint32(at + 8, LITTLE),
      step: view.getUint32(at + 12, LITTLE),
      errno: view.getInt32(at + 16, LITTLE),
      aux: view.getInt32(at + 20, LITTLE),
      startNs: view.getBigUint64(at + 24, LITTLE),
      endNs: view.getBigUint64(at + 32, LITTLE),
      detail: file.toString("utf8", at + DETAIL_AT, Math.min(end < 0 ? file.length : end, at + REPORT_SIZE)),
    });
  }
  return reports;
}

/** What is known of an op when the program itself is gone: [name, what, at, origins]. Another version has other names. */
export type Label = readonly [
  op: string,
  what: string | null,
  at: string | null,
  origins?: Readonly<Record<string, string>>,
];

/** Labels of each list, by index. */
export type Labels = Readonly<Partial<Record<ListName, readonly Label[]>>>;

export function labelOf(op: Op): Label {
  const label = [op.op, op.what ?? null, op.at ?? null] as const;
  return op.origins === undefined ? label : [...label, op.origins];
}

export function labelsOf(program: Program): Labels {
  return {
    launcher: program.launcher.map(labelOf),
    init: program.init.map(labelOf),
    ...(program.cleanup.length === 0 ? {} : { cleanup: program.cleanup.map(labelOf) }),
  };
}

/** Failures with the way to remove what is left of a container, where something is. */
export function withRest(
  failures: readonly TsruncError[],
  reports: readonly Report[],
  { id, leaves }: { readonly id: string; readonly leaves?: boolean | undefined },
): readonly TsruncError[] {
  if (leaves !== true && !reports.some(({ kind, list }) => kind === "warning" && list === "cleanup")) return failures;
  const rest = `what is left of \`${id}\` is removed by \`delete --force ${id}\``;
  return failures.map(({ code, message, at, errno, hint }) => {
    return new TsruncError(code, message, { at, errno, hint: hint === undefined ? rest : `${hint}; ${rest}` });
  });
}

/** The error of an op. The wordings of `lookup` and `exec` are those that engines match on. */
export function opError(report: Report, label: Label | undefined): TsruncError {
  const [op, what, at] = label ?? ["exec", null, null];
  const errno = report.errno === 0 ? undefined : errnoName(report.errno);
  const steps: readonly string[] = isOpName(op) ? OPS[op].steps : [];
  const step = steps[report.step] ?? op;
  const hint = hintFor(op, step, what, report);
  const origin = op === "busCall" ? busOrigin(step, report, label) : (at ?? undefined);
  const place = step === "forbidden" ? "/linux/seccomp" : origin;
  return new TsruncError("op", messageOf(op, step, what, report), { at: place, errno, hint });
}

function isOpName(name: string): name is OpName {
  return Object.hasOwn(OPS, name);
}

function hintFor(op: string, step: string, what: string | null, report: Report): string | undefined {
  if (what === RESCTRL) return resctrlHint(report.detail);
  return op === "busCall" ? busHint(step, what ?? "", report) : hintOf(op, step, what, report);
}

function messageOf(op: string, step: string, what: string | null, report: Report): string {
  const { errno, detail, aux } = report;
  if (step === "forbidden") return forbiddenMessage(what, report);
  if (op === "lookup" || op === "exec" || op === "prepareExec") return execMessage(what ?? "", step, report);
  if (op === "spawn") return spawnMessage(step, what ?? "program", report);
  if (op === "busCall") return busMessage(step, what ?? op, report);
  if (op === "inCgroup" && step === "elsewhere")
    return `${what ?? op}: the process is not in the cgroup that was asked for, but in \`${detail.trim().replaceAll("\n", " ")}\``;
  if (step === "died") {
    return aux === 0
      ? "the container's init process ended too early"
      : `the container's init process was killed by signal ${aux}`;
  }
  if (step === "unexpected") return "a process of the container has interfered";
  if (op === "expect") return `${what ?? "the container"}: \`${detail}\` was changed by another command meanwhile`;
  if (op === "release") return "cannot start a container that is not in the created state";
  if (op === "chdir" && step === "outside") return `cwd \`${detail}\` is not inside the container's root`;
  if (op === "openNs" && step === "type") return `\`${detail}\` is no ${what ?? "namespace"}`;
  if (op === "seccomp" && step === "agent")
    return `failed to reach the seccomp agent: ${errnoPhrase(errnoName(errno))}`;
  if (op === "connect" && what === "seccomp agent")
    return `failed to connect with seccomp agent \`${detail}\`: ${errnoPhrase(errnoName(errno))}`;
  if (op === "mount" && step === "target" && errnoName(errno) === "ELOOP")
    return `${what ?? op}: must be mounted on ordinary directory, not on a symbolic link`;
  if (op === "clone" && step === "clone" && CGROUP_ERRNOS.includes(errnoName(errno)))
    return `${what ?? op}: cgroup \`${detail}\` takes no process: ${errnoPhrase(errnoName(errno))}`;
  if (op === "clone" && step === "clone") return `${what ?? op}: clone: ${errnoPhrase(errnoName(errno))}`;
  const subject = what ?? op;
  const object = detail === "" || subject.includes(`(${detail})`) ? "" : `\`${detail}\``;
  const action = [step === subject ? "" : step, object].filter((word) => word !== "").join(" ");
  return [subject, action, errno === 0 ? "" : errnoPhrase(errnoName(errno))].filter((part) => part !== "").join(": ");
}

function execMessage(name: string, step: string, { errno, detail }: Report): string {
  const reason = errnoText(errnoName(errno));
  if (step === "access") {
    // As Go's LookPath, which does not tell a file that cannot be executed from none.
    if (!name.includes("/")) return `exec: "${name}": executable file not found in $PATH`;
    return errno === 2 ? `exec: "${name}": stat ${name}: ${reason}` : `exec: "${name}": ${reason}`;
  }
  if (step === "outside") return "the working directory is not inside the container's root";
  return `exec ${detail}: ${reason}`;
}

/** Of the op `exec`, which got an errno, or of who waited for it. */
function forbiddenMessage(what: string | null, { errno, aux }: Report): string {
  const why = "the container's seccomp filter forbids `execve`";
  if (errno !== 0) return `exec ${what ?? ""}: ${errnoText(errnoName(errno))}: ${why}`;
  return aux === 0 ? why : `${why}: killed by signal ${aux}${SIGNAL_NAMES[aux] ?? ""}`;
}

/** Of a hook both streams are told, of a helper only what it says. */
function spawnMessage(step: string, name: string, { errno, detail, aux }: Report): string {
  const isHook = / hook #\d+: /.test(name);
  const what = isHook ? `error running ${name}` : name;
  const [out = "", err = ""] = detail.split(OUTPUT_SEPARATOR);
  const said = [out, err].filter((text) => text !== "").join(" ");
  const both = `${out === "" ? "" : `, stdout: ${out}`}${err === "" ? "" : `, stderr: ${err}`}`;
  const output = isHook ? both : said === "" ? "" : `: ${said}`;
  if (step === "status" && aux < 0) return `${what}: killed by signal ${-aux}${SIGNAL_NAMES[-aux] ?? ""}${output}`;
  if (step === "status") return `${what}: exit status ${aux}${output}`;
  if (step === "timeout") return `${what}: timed out${output}`;
  return `${what}: ${step}: ${errnoPhrase(errnoName(errno))}`;
}

/** As native/ops_spawn.c has it. */
const OUTPUT_SEPARATOR = "\u001f";

/** signal(7), as strsignal(3) has them. */
const SIGNAL_NAMES: Readonly<Record<number, string>> = {
  6: " (aborted)",
  9: " (killed)",
  11: " (segmentation fault)",
  13: " (broken pipe)",
  15: " (terminated)",
  31: " (bad system call)",
};

const SIGILL = 4;
const SIGSYS = 31;

/** move_mount(2) and mkdir(2) where one is a directory and the other is not. */
function isKindMismatch(step: string, name: string): boolean {
  return (
    (step === "move" && (name === "EINVAL" || name === "ENOTDIR")) || (step === "target" && /^E(NOT|IS)DIR$/.test(name))
  );
}

function hintOf(op: string, step: string, what: string | null, report: Report): string | undefined {
  const { errno, aux, detail } = report;
  const name = errno === 0 ? "" : errnoName(errno);
  if (step === "died" && (aux === SIGILL || aux === SIGSYS))
    return "a seccomp profile must allow what executing a program takes, such as execve, mmap and exit_group";
  if (step === "died" && aux === 9) return "if a memory limit is set, it may be too low for the container to start";
  if (op === "clone") return cloneHint(name);
  if (name === "EBUSY" && (op === "mount" || op === "bind" || op === "mask") && (step === "target" || step === "open"))
    return "a link of the root file system leads to its root";
  if (name === "ENOSYS" && ["target", "parent", "open", "mkdir"].includes(step))
    return "openat2 is needed, which kernels have since 5.6 and filters may forbid, as a unit's `RestrictSUIDSGID=` does";
  if (op === "scheduler") return schedulerHint(name, what);
  if (op === "lookup" && name === "EACCES" && /^(?!\.{0,2}$)[^/]+$/.test(what ?? ""))
    return "there is something of that name that cannot be executed";
  if (name === "EOPNOTSUPP" && ["mount", "bind", "mask", "readonly", "device", "console"].includes(op))
    return "what is mounted in a mount that is shared with the host needs Linux 5.15";
  if (op === "mount" && step === "procfs") return "only single files such as /proc/cpuinfo may be covered there";
  if (op === "mount" && name === "EPERM" && detail === "sysfs")
    return "without a network namespace of its own a user namespace gets the host's, with the option `ro`";
  if (op === "mount" && name === "EPERM" && step !== "procfs")
    return "the user namespace may not have the rights for this file system";
  if (op === "mount" && step === "fsopen" && name === "ENODEV") return "the kernel has those of /proc/filesystems";
  if (op === "bind" && isKindMismatch(step, name)) return "a directory is mounted on a directory, all else on a file";
  if ((op === "rlimit" || op === "prlimit") && name === "EPERM")
    return "limits above its own take privileges; no file limit goes above fs.nr_open";
  if (op === "write" && name === "ERANGE" && /\/cpuset\.(cpus|mems)$/.test(detail))
    return "the host has not all of these";
  if (op === "bind" && step === "attributes" && name === "ENOSYS")
    return "options for a whole tree of mounts, such as `rro`, need Linux 5.12";
  if (op === "sendTree" && step === "idmap" && name === "ENOSYS") return "id-mapped mounts need Linux 5.12";
  if (op === "bind" && step === "source" && name === "ENOENT") return "the source of a bind mount must exist";
  if (op === "connect" && (name === "ECONNREFUSED" || name === "EPROTOTYPE"))
    return "it must be a stream socket on which somebody listens";
  if (op === "write" && name === "EBUSY") return usageHint(detail);
  if (op.startsWith("net")) return networkHint(op, step, name);
  if (op === "chdir" && name === "EACCES") return "the user of the process may not enter it";
  return undefined;
}

/** The kernel refuses processes by these (cgroup_migrate_vet_dst of kernel/cgroup/cgroup.c), and nothing else of clone. */
const CGROUP_ERRNOS = ["EBUSY", "EOPNOTSUPP"];

function cloneHint(name: string): string | undefined {
  switch (name) {
    case "ENOSPC":
      return "a limit in /proc/sys/user/max_*_namespaces is reached";
    case "EPERM":
      return "without root, a user namespace is needed, and the host may forbid those, as a unit's `RestrictNamespaces=` does";
    case "EAGAIN":
      return "a limit on processes is reached, such as pids.max of this cgroup or of one above it";
    case "EBUSY":
      return "with controllers in cgroup.subtree_control this cgroup takes no processes, only those below it do; `exec --cgroup` can name one";
    case "EOPNOTSUPP":
      return "a cgroup beside or above it is threaded, so it takes no processes while its cgroup.type is `domain invalid`";
    default:
      return undefined;
  }
}

/** sched_setattr(2), sched(7) */
function schedulerHint(name: string, what: string | null): string | undefined {
  if (what !== DEADLINE) return name === "EPERM" ? "it takes CAP_SYS_NICE, or a limit RLIMIT_RTPRIO" : undefined;
  switch (name) {
    case "EPERM":
      return "it takes CAP_SYS_NICE and all CPUs of the machine: no `linux.resources.cpu.cpus` that leaves some out";
    case "EBUSY":
      return "the CPUs have not so much time left: a smaller runtime or a longer period may do";
    case "EINVAL":
      return "the runtime is 1024 ns at least, and /proc/sys/kernel/sched_deadline_period_*_us limit the period";
    default:
      return undefined;
  }
}

/** cgroup v1 sets no limit below what is in use (cgroup-v1/memory.rst); the numbers are of the moment, as with runc. */
function usageHint(file: string): string | undefined {
  if (!/\/memory\.(memsw\.)?limit_in_bytes$/.test(file)) return undefined;
  const read = (name: string) => fs.readFileSync(file.replace(/limit_in_bytes$/, name), "latin1").trim();
  try {
    return `current usage: ${read("usage_in_bytes")}, peak usage: ${read("max_usage_in_bytes")} bytes`;
  } catch {
    return undefined;
  }
}

/** What the kernel has to say of the last command, beside an errno that tells little (resctrl.rst, "info directory"). */
function resctrlHint(file: string): string | undefined {
  for (let end = file.lastIndexOf("/"); end > 0; end = file.lastIndexOf("/", end - 1)) {
    try {
      const status = fs.readFileSync(`${file.slice(0, end)}/info/last_cmd_status`, "latin1").trim();
      return status === "" || status === "ok" ? undefined : `the kernel: ${status.replaceAll("\n", "; ")}`;
    } catch {
      // A directory below the root of resctrl.
    }
  }
  return undefined;
}

function networkHint(op: string, step: string, name: string): string | undefined {
  if (name === "ENODEV") return "devices are looked for in the network namespace that the runtime is in";
  if (op === "netFind" && name === "EEXIST")
    return "the container's network namespace has such a device; a `name` that ends in `%d` is made unique by the kernel";
  if (op === "netMove" && step === "move" && name === "EINVAL")
    return "the kernel keeps some kinds of devices in their namespace, such as bridges and tunnels' own";
  return undefined;
}
