/** Checks of `process`, in config.json (pointers under `/process`) or on its own (`exec --process`, pointers under ``). */
import { capabilityNames, isCapability } from "./capabilities.ts";
import { listProblem } from "./lists.ts";
import { show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { each, error, warn } from "./report.ts";
import { nearest } from "./schema-problems.ts";
import type { CapabilitySet, LinuxCapabilities, Process, Scheduler, Uint64 } from "./types.ts";

const MAX_GROUPS = 65_536; // NGROUPS_MAX
const MAX_TERMINAL_SIZE = 65_535; // struct winsize has unsigned short fields

export function checkProcess(process: Process, at: string, report: Report): void {
  checkCommand(process, at, report);
  checkEnvironment(process.env ?? [], `${at}/env`, report);
  checkConsole(process, at, report);
  const groups = process.user.additionalGids?.length ?? 0;
  if (groups > MAX_GROUPS) {
    error(report, `${at}/user/additionalGids`, `expected at most ${MAX_GROUPS} entries, found ${groups}`);
  }
  checkRlimits(process, at, report);
  if (process.capabilities !== undefined) checkCapabilities(process.capabilities, `${at}/capabilities`, report);
  if (process.scheduler !== undefined) checkScheduler(process.scheduler, `${at}/scheduler`, report);
  for (const when of ["initial", "final"] as const) {
    const problem = listProblem(process.execCPUAffinity?.[when] ?? "");
    if (problem !== undefined) error(report, `${at}/execCPUAffinity/${when}`, `expected a list of cpus: ${problem}`);
  }
}

function checkCommand(process: Process, at: string, report: Report): void {
  if (process.args === undefined) error(report, `${at}/args`, "is required, but missing");
  else if (process.args.length === 0) error(report, `${at}/args`, "expected at least one entry, found an empty list");
  if (!process.cwd.startsWith("/")) error(report, `${at}/cwd`, `expected an absolute path, found ${show(process.cwd)}`);
}

function checkEnvironment(env: readonly string[], at: string, report: Report): void {
  each(env, (entry, index) => {
    // A variable may hold a secret: only the part that can be a name is shown.
    if (!entry.includes("=")) error(report, `${at}/${index}`, `expected \`NAME=value\`, found no \`=\``);
    else if (entry.startsWith("=")) error(report, `${at}/${index}`, "expected `NAME=value`, found an empty name");
  });
}

function checkConsole(process: Process, at: string, report: Report): void {
  const size = process.consoleSize;
  if (process.terminal !== true || size === undefined) return;
  for (const side of ["height", "width"] as const) {
    if (size[side] > MAX_TERMINAL_SIZE) {
      const message = `expected an integer from 0 to ${MAX_TERMINAL_SIZE}, found \`${size[side]}\``;
      error(report, `${at}/consoleSize/${side}`, message);
    }
  }
}

function checkRlimits(process: Process, at: string, report: Report): void {
  const seen = new Set<string>();
  each(process.rlimits, (limit, index) => {
    const here = `${at}/rlimits/${index}`;
    if (seen.has(limit.type)) error(report, `${here}/type`, `\`${limit.type}\` is listed twice`);
    seen.add(limit.type);
    if (limit.soft > limit.hard) {
      error(report, `${here}/soft`, `expected at most the hard limit \`${limit.hard}\`, found \`${limit.soft}\``);
    }
  });
}

function checkCapabilities(sets: LinuxCapabilities, at: string, report: Report): void {
  const unknown = new Map<string, string>();
  for (const set of ["bounding", "effective", "inheritable", "permitted", "ambient"] as const) {
    each(sets[set], (name, index) => {
      if (!isCapability(name) && !unknown.has(name)) unknown.set(name, `${at}/${set}/${index}`);
    });
  }
  for (const [name, where] of unknown) {
    const near = nearest(name, capabilityNames());
    const hint = near === undefined ? "" : ` (did you mean \`${near}\`?)`;
    warn(report, where, `unknown capability ${show(name)} is ignored${hint}`);
  }
  warnBeyond(sets, "effective", ["permitted"], at, report);
  // cap_capset() of security/commoncap.c: what was dropped from the bounding set cannot become inheritable.
  warnBeyond(sets, "inheritable", ["bounding"], at, report);
  // Since CVE-2022-29162 generators leave `inheritable` out and some keep `ambient`: runc 1.1's own default does.
  if (sets.inheritable !== undefined) warnBeyond(sets, "ambient", ["permitted", "inheritable"], at, report);
}

/** The kernel gives no capability of `set` that is not in all of `limits` (capabilities(7)). */
function warnBeyond(
  sets: LinuxCapabilities,
  set: CapabilitySet,
  limits: readonly CapabilitySet[],
  at: string,
  report: Report,
): void {
  const allowed = limits.map((limit) => new Set(sets[limit]));
  const beyond = new Set<string>();
  for (const name of sets[set] ?? []) {
    for (const names of allowed) if (!names.has(name)) beyond.add(name);
  }
  const reason = `not granted without being in ${limits.join(" and ")} too`;
  if (beyond.size > 0)
    warn(report, `${at}/${set}`, `can't raise ${set} capability ${[...beyond].join(", ")}: ${reason}`);
}

function checkScheduler(scheduler: Scheduler, at: string, report: Report): void {
  const { policy, nice = 0, priority = 0 } = scheduler;
  if ((policy === "SCHED_OTHER" || policy === "SCHED_BATCH") && (nice < -20 || nice > 19)) {
    error(report, `${at}/nice`, `expected an integer from -20 to 19, found \`${nice}\``);
  }
  if (policy === "SCHED_FIFO" || policy === "SCHED_RR") {
    if (priority < 1 || priority > 99) {
      error(report, `${at}/priority`, `expected an integer from 1 to 99 with \`${policy}\`, found \`${priority}\``);
    }
  } else if (priority !== 0) {
    error(report, `${at}/priority`, `only \`SCHED_FIFO\` and \`SCHED_RR\` have a priority, not \`${policy}\``);
  }
  checkDeadline(scheduler, at, report);
}

/** sched(7): runtime ≤ deadline ≤ period, where a period of 0 stands for the deadline. */
function checkDeadline(scheduler: Scheduler, at: string, report: Report): void {
  const times = { runtime: scheduler.runtime ?? 0, deadline: scheduler.deadline ?? 0, period: scheduler.period ?? 0 };
  if (scheduler.policy !== "SCHED_DEADLINE") {
    for (const [name, value] of Object.entries(times)) {
      if (!isZero(value))
        error(report, `${at}/${name}`, `only \`SCHED_DEADLINE\` has this, not \`${scheduler.policy}\``);
    }
    return;
  }
  if (isZero(times.runtime)) error(report, `${at}/runtime`, "`SCHED_DEADLINE` needs a runtime above 0");
  if (times.deadline < times.runtime) {
    error(report, `${at}/deadline`, `expected at least the runtime \`${times.runtime}\`, found \`${times.deadline}\``);
  }
  if (!isZero(times.period) && times.period < times.deadline) {
    error(
      report,
      `${at}/period`,
      `expected 0 or at least the deadline \`${times.deadline}\`, found \`${times.period}\``,
    );
  }
}

function isZero(value: Uint64): boolean {
  return value === 0 || value === 0n;
}
