/** Checks of `linux.resources`, in config.json or on its own (`update --resources`, pointers under ``). */
import { pointer, show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { each, error, warn } from "./report.ts";
import type { CpuResources, MemoryResources, Resources } from "./types.ts";

export function checkResources(resources: Resources, at: string, report: Report): void {
  each(resources.devices, (rule, index) => {
    if (rule.access !== undefined && rule.access !== "rwm" && !/^[rwm]*$/.test(rule.access)) {
      // As runc, which passes over what it does not know.
      const message = `expected some of \`r\`, \`w\` and \`m\`, found ${show(rule.access)}: the rest is ignored`;
      const say = /[rwm]/.test(rule.access) ? warn : error;
      say(report, `${at}/devices/${index}/access`, message);
    }
  });
  checkMemory(resources.memory ?? {}, `${at}/memory`, report);
  checkCpu(resources.cpu ?? {}, `${at}/cpu`, report);
  const pids = resources.pids?.limit ?? 0;
  if (pids < -1) error(report, `${at}/pids/limit`, `expected -1 (no limit) or above, found \`${pids}\``);
  checkBlockIO(resources, at, report);
  checkNamedLimits(resources, at, report);
}

function checkMemory(memory: MemoryResources, at: string, report: Report): void {
  for (const name of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const) {
    const value = memory[name] ?? 0;
    if (value < -1) error(report, `${at}/${name}`, `expected -1 (no limit) or above, found \`${value}\``);
  }
  const { limit = 0, swap = 0 } = memory;
  if (limit > 0 && swap > 0 && swap < limit) {
    error(
      report,
      `${at}/swap`,
      `memory and swap together: expected at least the limit \`${limit}\`, found \`${swap}\``,
    );
  }
}

/** What only holds where the limits are complete, not for those of an update. */
export function checkInitialResources(resources: Resources, at: string, report: Report): void {
  const { limit = 0, swap = 0 } = resources.memory ?? {};
  if (swap > 0 && limit <= 0) error(report, `${at}/memory/swap`, "a limit of memory and swap needs a memory `limit`");
}

/** Ranges of the kernel: kernel/sched/core.c (tg_set_cfs_bandwidth, max_cfs_quota_period). */
function checkCpu(cpu: CpuResources, at: string, report: Report): void {
  const { quota = 0, period = 0, burst = 0, realtimeRuntime = 0, realtimePeriod = 0 } = cpu;
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    error(report, `${at}/period`, `expected 1000 to 1000000 microseconds, found \`${period}\``);
  }
  if (quota > 0 && quota < 1000)
    error(report, `${at}/quota`, `expected at least 1000 microseconds, found \`${quota}\``);
  if (quota > 0 && burst > quota) {
    error(report, `${at}/burst`, `expected at most the quota \`${quota}\`, found \`${burst}\``);
  }
  if (realtimePeriod > 0 && realtimeRuntime > realtimePeriod) {
    const message = `expected at most the period \`${realtimePeriod}\`, found \`${realtimeRuntime}\``;
    error(report, `${at}/realtimeRuntime`, message);
  }
  for (const name of ["cpus", "mems"] as const) {
    // The kernel's list format has more to it (0-31:2/8); what it cannot be is another kind of text.
    if (cpu[name] !== undefined && !/^[\d\s,:/-]*$/.test(cpu[name])) {
      error(report, `${at}/${name}`, `expected a list such as \`0-3,7\`, found ${show(cpu[name])}`);
    }
  }
}

function checkBlockIO(resources: Resources, at: string, report: Report): void {
  each(resources.blockIO?.weightDevice, (device, index) => {
    if (device.weight === undefined && device.leafWeight === undefined) {
      error(report, `${at}/blockIO/weightDevice/${index}`, "expected `weight` or `leafWeight`, found neither");
    }
  });
}

function checkNamedLimits(resources: Resources, at: string, report: Report): void {
  each(resources.hugepageLimits, ({ pageSize }, index) => {
    if (!/^[1-9]\d*[KMGT]B$/.test(pageSize)) {
      const message = `expected a size such as \`64KB\`, \`2MB\` or \`1GB\`, found ${show(pageSize)}`;
      error(report, `${at}/hugepageLimits/${index}/pageSize`, message);
    }
  });
  for (const [device, limit] of Object.entries(resources.rdma ?? {})) {
    if (limit.hcaHandles === undefined && limit.hcaObjects === undefined) {
      error(report, at + pointer("rdma", device), "expected `hcaHandles` or `hcaObjects`, found neither");
    }
  }
  for (const file of Object.keys(resources.unified ?? {})) {
    // A file of the cgroup's own directory; with a `/` it could be any file of the host.
    if (!/^[^/.\s][^/\s]*\.[^/\s]+$/.test(file)) {
      error(report, at + pointer("unified", file), `expected a file such as \`memory.high\`, found ${show(file)}`);
    }
  }
}
