/**
 * What the verbs can be asked for. Names follow the command line (reference: `tsrunc VERB --help`); an absent field
 * is a flag that was not given. Paths are as the user wrote them, relative to the working directory.
 */

import type { Process } from "../spec/types.ts";

export interface CreateOptions {
  readonly id: string;
  /** Directory with config.json; the working directory by default. */
  readonly bundle: string;
  /** File in place of config.json of the bundle; paths in it are relative to the bundle all the same. */
  readonly config?: string;
  /** AF_UNIX socket that gets the master of the terminal. */
  readonly consoleSocket?: string;
  /** AF_UNIX socket that gets a pidfd of the container's first process. */
  readonly pidfdSocket?: string;
  /** File that gets the bare pid, with no line feed. */
  readonly pidFile?: string;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  /** Number of descriptors, from 3 upwards, that the container gets beside stdio (and LISTEN_FDS). */
  readonly preserveFds: number;
}

export interface RunOptions extends CreateOptions {
  readonly detach: boolean;
  /** Leave the stopped container to be looked at. */
  readonly keep: boolean;
  readonly noSubreaper: boolean;
}

export interface KillOptions {
  readonly id: string;
  /** A number, or a name with or without SIG, in any case. */
  readonly signal: string;
  readonly all: boolean;
}

export interface DeleteOptions {
  readonly id: string;
  /** Kill first; an unknown id is no error. */
  readonly force: boolean;
}

export interface ExecOptions {
  readonly id: string;
  /** Program and arguments; empty when {@link process} names a file. */
  readonly args: readonly string[];
  /** A process object as in config.json, or a file with one. */
  readonly process?: string | Process;
  readonly cwd?: string;
  /** `NAME=VALUE` each. */
  readonly env: readonly string[];
  /** Absent: as config.json has it (for {@link process}: as the file has it). */
  readonly tty?: boolean;
  /** `uid[:gid]`, checked by the verb. */
  readonly user?: string;
  readonly additionalGids: readonly number[];
  readonly processLabel?: string;
  readonly apparmor?: string;
  readonly noNewPrivs?: boolean;
  /** Capabilities to add, `CAP_` in front or not. */
  readonly caps: readonly string[];
  readonly preserveFds: number;
  /** `[controller:]path` each, below the container's cgroup. */
  readonly cgroups: readonly string[];
  readonly ignorePaused: boolean;
  readonly detach: boolean;
  readonly pidFile?: string;
  readonly consoleSocket?: string;
  readonly pidfdSocket?: string;
}

export interface PsOptions {
  readonly id: string;
  readonly format: "table" | "json";
  /** For ps(1); `-ef` when there are none. */
  readonly args: readonly string[];
}

export interface EventsOptions {
  readonly id: string;
  /** Time between two lines of statistics, in milliseconds. */
  readonly intervalMs: number;
  /** One line of statistics, then return. */
  readonly stats: boolean;
}

/** Numbers are passed as text so that the container layer, which knows the units, checks them once. */
export interface UpdateOptions {
  readonly id: string;
  /** File with a linux.resources object, `-` for stdin; then nothing below counts. */
  readonly resources?: string;
  readonly blkioWeight?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpuBurst?: string;
  readonly cpuShare?: string;
  readonly cpuRtPeriod?: string;
  readonly cpuRtRuntime?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cpuIdle?: string;
  readonly memory?: string;
  readonly memoryReservation?: string;
  readonly memorySwap?: string;
  readonly pidsLimit?: string;
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
}

/** Checkpoint and restore share CRIU's switches. */
export interface CriuOptions {
  readonly id: string;
  readonly imagePath?: string;
  readonly workPath?: string;
  readonly tcpEstablished: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  readonly lazyPages: boolean;
  readonly fileLocks: boolean;
  readonly manageCgroupsMode?: "soft" | "full" | "strict" | "ignore";
  readonly emptyNs: readonly string[];
  readonly autoDedup: boolean;
}

export interface CheckpointOptions extends CriuOptions {
  readonly parentPath?: string;
  readonly leaveRunning: boolean;
  readonly tcpSkipInFlight: boolean;
  readonly linkRemap: boolean;
  readonly statusFd?: number;
  /** `address:port`. */
  readonly pageServer?: string;
  readonly preDump: boolean;
}

export interface RestoreOptions extends CriuOptions {
  readonly bundle: string;
  readonly detach: boolean;
  readonly keep: boolean;
  readonly noSubreaper: boolean;
  readonly consoleSocket?: string;
  readonly pidFile?: string;
  readonly noPivot: boolean;
  readonly lsmProfile?: string;
  readonly lsmMountContext?: string;
}

/** Without the fields that are undefined, as exactOptionalPropertyTypes wants options. */
export function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
