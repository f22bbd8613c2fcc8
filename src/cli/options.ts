/** From flags to the options of the container layer. */

import {
  type CheckpointOptions,
  type CreateOptions,
  type CriuOptions,
  type DeleteOptions,
  type EventsOptions,
  type ExecOptions,
  given,
  type KillOptions,
  type PsOptions,
  type RestoreOptions,
  type RunOptions,
  type UpdateOptions,
} from "../container/options.ts";
import { TsruncError } from "../errors.ts";
import { type Call, containerId } from "./call.ts";
import { parseDuration } from "./duration.ts";
import { badValue, type Flags } from "./flags.ts";

export function createOptions(call: Call): CreateOptions {
  const { flags } = call;
  return given({
    id: containerId(call),
    bundle: flags.string("bundle") ?? ".",
    config: flags.string("config"),
    consoleSocket: flags.string("console-socket"),
    pidfdSocket: flags.string("pidfd-socket"),
    pidFile: flags.string("pid-file"),
    noPivot: flags.bool("no-pivot"),
    noNewKeyring: flags.bool("no-new-keyring"),
    preserveFds: preserveFds(flags),
  });
}

export function runOptions(call: Call): RunOptions {
  const { flags } = call;
  return {
    ...createOptions(call),
    detach: flags.bool("detach"),
    keep: flags.bool("keep"),
    noSubreaper: flags.bool("no-subreaper"),
  };
}

export function killOptions(call: Call): KillOptions {
  return { id: containerId(call), signal: call.args[1] || "TERM", all: call.flags.bool("all") };
}

export function deleteOptions(call: Call): DeleteOptions {
  return { id: containerId(call), force: call.flags.bool("force") };
}

export function execOptions(call: Call): ExecOptions {
  const { flags } = call;
  const args = call.args.slice(1);
  const process = flags.string("process");
  if (args.length === 0 && process === undefined) {
    throw new TsruncError("usage", "`exec`: missing argument CMD", { hint: "or name a file with `--process`" });
  }
  return given({
    id: containerId(call),
    args,
    process,
    cwd: flags.string("cwd"),
    env: flags.list("env"),
    tty: flags.maybeBool("tty"),
    user: flags.has("user") ? (flags.list("user").at(-1) ?? "") : undefined,
    additionalGids: flags.list("additional-gids").map(groupId),
    processLabel: flags.string("process-label"),
    apparmor: flags.string("apparmor"),
    noNewPrivs: flags.maybeBool("no-new-privs"),
    caps: flags.list("cap"),
    preserveFds: preserveFds(flags),
    cgroups: flags.list("cgroup"),
    ignorePaused: flags.bool("ignore-paused"),
    detach: flags.bool("detach"),
    pidFile: flags.string("pid-file"),
    consoleSocket: flags.string("console-socket"),
    pidfdSocket: flags.string("pidfd-socket"),
  });
}

export function psOptions(call: Call): PsOptions {
  const format = call.flags.oneOf("format", ["table", "json"]) ?? "table";
  return { id: containerId(call), format, args: call.args.slice(1) };
}

export function eventsOptions(call: Call): EventsOptions {
  const interval = call.flags.string("interval") ?? "5s";
  const intervalMs = parseDuration(interval);
  if (intervalMs === undefined || intervalMs <= 0) {
    throw badValue("interval", interval, "a duration greater than zero, such as `5s`");
  }
  return { id: containerId(call), intervalMs, stats: call.flags.bool("stats") };
}

export function updateOptions(call: Call): UpdateOptions {
  const { flags } = call;
  return given({
    id: containerId(call),
    resources: flags.string("resources"),
    blkioWeight: flags.string("blkio-weight"),
    cpuPeriod: flags.string("cpu-period"),
    cpuQuota: flags.string("cpu-quota"),
    cpuBurst: flags.string("cpu-burst"),
    cpuShare: flags.string("cpu-share"),
    cpuRtPeriod: flags.string("cpu-rt-period"),
    cpuRtRuntime: flags.string("cpu-rt-runtime"),
    cpusetCpus: flags.string("cpuset-cpus"),
    cpusetMems: flags.string("cpuset-mems"),
    cpuIdle: flags.string("cpu-idle"),
    memory: flags.string("memory"),
    memoryReservation: flags.string("memory-reservation"),
    memorySwap: flags.string("memory-swap"),
    pidsLimit: flags.string("pids-limit"),
    l3CacheSchema: flags.string("l3-cache-schema"),
    memBwSchema: flags.string("mem-bw-schema"),
  });
}

export function checkpointOptions(call: Call): CheckpointOptions {
  const { flags } = call;
  return given({
    ...criuOptions(call),
    parentPath: flags.string("parent-path"),
    leaveRunning: flags.bool("leave-running"),
    tcpSkipInFlight: flags.bool("tcp-skip-in-flight"),
    linkRemap: flags.bool("link-remap"),
    statusFd: flags.int("status-fd"),
    pageServer: flags.string("page-server"),
    preDump: flags.bool("pre-dump"),
  });
}

export function restoreOptions(call: Call): RestoreOptions {
  const { flags } = call;
  return given({
    ...criuOptions(call),
    bundle: flags.string("bundle") ?? ".",
    detach: flags.bool("detach"),
    keep: flags.bool("keep"),
    noSubreaper: flags.bool("no-subreaper"),
    consoleSocket: flags.string("console-socket"),
    pidFile: flags.string("pid-file"),
    noPivot: flags.bool("no-pivot"),
    lsmProfile: flags.string("lsm-profile"),
    lsmMountContext: flags.string("lsm-mount-context"),
  });
}

function criuOptions(call: Call): CriuOptions {
  const { flags } = call;
  return given({
    id: containerId(call),
    imagePath: flags.string("image-path"),
    workPath: flags.string("work-path"),
    tcpEstablished: flags.bool("tcp-established"),
    extUnixSk: flags.bool("ext-unix-sk"),
    shellJob: flags.bool("shell-job"),
    lazyPages: flags.bool("lazy-pages"),
    fileLocks: flags.bool("file-locks"),
    manageCgroupsMode: flags.oneOf("manage-cgroups-mode", ["soft", "full", "strict", "ignore"]),
    emptyNs: flags.list("empty-ns"),
    autoDedup: flags.bool("auto-dedup"),
  });
}

function preserveFds(flags: Flags): number {
  const count = flags.int("preserve-fds") ?? 0;
  if (count < 0) throw badValue("preserve-fds", String(count), "a number of descriptors");
  return count;
}

function groupId(text: string): number {
  const gid = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  // -1 as a 32-bit number means "no group" to the kernel.
  if (!(gid < 0xffff_ffff)) throw badValue("additional-gids", text, "a group id below 4294967295");
  return gid;
}
