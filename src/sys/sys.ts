/**
 * The only place that calls libc. The standalone executable comes here rarely: what it needs of the kernel is
 * done by tsrunc-init; the library and the command line under Node need the rest.
 *
 * Every call goes through {@link call}, where a test can make it fail.
 */

import * as fs from "node:fs";
import process from "node:process";
import { type ErrorDetails, TsruncError } from "../errors.ts";
import type { Arg, Backend, FunctionName } from "./backend.ts";
import { bunBackend } from "./bun.ts";
import { errnoName, errnoNumber } from "./errno.ts";
import { koffiBackend } from "./koffi.ts";
import { quickjsBackend } from "./quickjs/backend.ts";

const F_GETFD = 1;
const F_SETFD = 2;
const F_ADD_SEALS = 1033;
const FD_CLOEXEC = 1;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 0x08; // Linux 6.3
const MFD_EXEC = 0x10; // Linux 6.3
const SEAL_EXEC = 0x20; // Linux 6.3
const SEAL_ALL = 0x0f; // F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const IN_NONBLOCK = EFD_NONBLOCK;
const IN_CLOEXEC = EFD_CLOEXEC;
const IN_MODIFY = 2;
const POLLIN = 1;
/** `struct pollfd`: a descriptor and two halves, of what is waited for and of what has come. */
const POLLFD_WORDS = 2;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const PR_SET_CHILD_SUBREAPER = 36;
// The same number on every architecture since Linux 5.0, but alpha.
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;

/** The calls by the names that {@link setFault} takes. */
export type CallName =
  | "eventfd"
  | "execve"
  | "fcntl"
  | "flock"
  | "inotify_add_watch"
  | "inotify_init1"
  | "memfd_create"
  | "pidfd_open"
  | "pidfd_send_signal"
  | "poll"
  | "prctl";

export interface Fault {
  readonly call: CallName;
  /** Errno name that the call fails with, without being made. */
  readonly errno: string;
}

/** What an `int` of milliseconds holds. */
const LONGEST_WAIT_MS = 0x7fffffff;

let backend: Backend | undefined;
let fault: Fault | undefined;

/** For tests: the next calls of that name fail, until it is taken back with `undefined`. */
export function setFault(next: Fault | undefined): void {
  fault = next;
}

/** Result, or -errno. */
function tryCall(name: CallName, invoke: () => number): number {
  return fault?.call === name ? -errnoNumber(fault.errno) : invoke();
}

/** Result of the call. @throws TsruncError `io` with the errno name */
function call(name: CallName, object: string, invoke: () => number): number {
  const result = tryCall(name, invoke);
  if (result >= 0) return result;
  throw failure(name, object, errnoName(-result));
}

function failure(name: CallName, object: string, errno: string, details: ErrorDetails = {}): TsruncError {
  return new TsruncError("io", `${name} ${object}: ${errno}`, { ...details, errno });
}

function libc(name: FunctionName, ...args: readonly Arg[]): number {
  backend ??= newBackend();
  return backend.invoke(name, args);
}

function newBackend(): Backend {
  if (process.versions.quickjs !== undefined) return quickjsBackend();
  return process.versions.bun === undefined ? koffiBackend() : bunBackend();
}

/**
 * An empty file in memory that can be executed and sealed; close-on-exec (memfd_create(2)).
 *
 * @throws TsruncError `io`; EACCES with `vm.memfd_noexec=2`
 */
export function memfdCreate(name: string): number {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const executable = tryCall("memfd_create", () => libc("memfd_create", name, flags | MFD_EXEC));
  if (executable >= 0) return executable;
  if (executable !== -errnoNumber("EINVAL")) throw failure("memfd_create", `\`${name}\``, errnoName(-executable));
  return call("memfd_create", `\`${name}\``, () => libc("memfd_create", name, flags));
}

/** An empty file in memory that holds data and can never be executed (memfd_create(2)). @throws TsruncError `io` */
export function dataMemfd(name: string, closeOnExec: boolean): number {
  const flags = closeOnExec ? MFD_CLOEXEC : 0;
  const sealed = tryCall("memfd_create", () => libc("memfd_create", name, flags | MFD_NOEXEC_SEAL));
  if (sealed >= 0) return sealed;
  if (sealed !== -errnoNumber("EINVAL")) throw failure("memfd_create", `\`${name}\``, errnoName(-sealed));
  return call("memfd_create", `\`${name}\``, () => libc("memfd_create", name, flags));
}

/** Makes a memfd's content, size and (where the kernel knows F_SEAL_EXEC) mode final. @throws TsruncError `io` */
export function addSeals(fd: number): void {
  if (tryCall("fcntl", () => libc("fcntl", fd, F_ADD_SEALS, SEAL_ALL | SEAL_EXEC)) >= 0) return;
  call("fcntl", `seals of descriptor ${fd}`, () => libc("fcntl", fd, F_ADD_SEALS, SEAL_ALL));
}

/** A counter that the kernel adds to; close-on-exec, and a read that finds 0 is EAGAIN (eventfd(2)). @throws TsruncError `io` */
export function eventfd(): number {
  return call("eventfd", "counter", () => libc("eventfd", 0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/**
 * A descriptor that can be read whenever a file is modified, in kernfs whenever the kernel says so; close-on-exec
 * (inotify(7)). @throws TsruncError `io`
 */
export function watchFile(path: string): number {
  const fd = call("inotify_init1", "watch", () => libc("inotify_init1", IN_CLOEXEC | IN_NONBLOCK));
  try {
    call("inotify_add_watch", `\`${path}\``, () => libc("inotify_add_watch", fd, path, IN_MODIFY));
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** Waits until one of the descriptors can be read, and at most so long; a signal may end it earlier (poll(2)). */
export function waitReadable(fds: readonly number[], milliseconds: number): void {
  const wanted = new Uint32Array(Math.max(1, fds.length) * POLLFD_WORDS);
  const bytes = new Uint8Array(wanted.buffer);
  for (const [i, fd] of fds.entries()) {
    wanted[i * POLLFD_WORDS] = fd;
    new Uint16Array(wanted.buffer)[i * 2 * POLLFD_WORDS + 2] = POLLIN;
  }
  const most = Math.min(Math.ceil(milliseconds), LONGEST_WAIT_MS);
  const result = tryCall("poll", () => libc("poll", bytes, fds.length, most));
  if (result < 0 && errnoName(-result) !== "EINTR") throw failure("poll", "descriptors", errnoName(-result));
}

/** Whether a descriptor is closed by execve. @throws TsruncError `io` */
export function setCloexec(fd: number, on: boolean): void {
  const object = `descriptor ${fd}`;
  const flags = call("fcntl", object, () => libc("fcntl", fd, F_GETFD, 0));
  const wanted = on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC;
  if (wanted !== flags) call("fcntl", object, () => libc("fcntl", fd, F_SETFD, wanted));
}

/**
 * Locks an open file (flock(2)) or, with `unlock`, lets it go.
 *
 * @returns false when `wait` is off and another process holds the lock
 * @throws TsruncError `io`
 */
export function flock(fd: number, how: "shared" | "exclusive" | "unlock", wait = true): boolean {
  const operation = { shared: LOCK_SH, exclusive: LOCK_EX, unlock: LOCK_UN }[how] | (wait ? 0 : LOCK_NB);
  for (;;) {
    const result = tryCall("flock", () => libc("flock", fd, operation));
    if (result >= 0) return true;
    const errno = errnoName(-result);
    if (errno === "EAGAIN" && !wait) return false;
    if (errno !== "EINTR") throw failure("flock", `descriptor ${fd}`, errno);
  }
}

/** A close-on-exec descriptor of a process (pidfd_open(2), Linux 5.3). @throws TsruncError `io`; ESRCH: no such process */
export function pidfdOpen(pid: number): number {
  return call("pidfd_open", `process ${pid}`, () => libc("syscall", SYS_PIDFD_OPEN, pid, 0, 0, 0));
}

/**
 * Sends a signal by number to the very process that the pidfd was opened for (pidfd_send_signal(2)).
 *
 * @returns false when that process is gone
 * @throws TsruncError `io`
 */
export function pidfdSendSignal(pidfd: number, signal: number): boolean {
  const result = tryCall("pidfd_send_signal", () => libc("syscall", SYS_PIDFD_SEND_SIGNAL, pidfd, signal, 0, 0));
  if (result >= 0) return true;
  const errno = errnoName(-result);
  if (errno === "ESRCH") return false;
  throw failure("pidfd_send_signal", `signal ${signal}`, errno);
}

/** Orphaned descendants become children of this process (PR_SET_CHILD_SUBREAPER, prctl(2)). @throws TsruncError `io` */
export function setChildSubreaper(on: boolean): void {
  call("prctl", "PR_SET_CHILD_SUBREAPER", () => libc("prctl", PR_SET_CHILD_SUBREAPER, on ? 1 : 0, 0, 0, 0));
}

type OwnExecve = (file: string, args: readonly string[], env: Readonly<Record<string, string>>) => never;

/**
 * Becomes another program (execve(2)). Stdio stays open; of other descriptors both hosts have marked all that they
 * inherited close-on-exec, so {@link setCloexec} must free what is meant to stay, and `keepsFds` be set.
 *
 * @throws TsruncError `io`
 */
export function execve(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  keepsFds = false,
): never {
  const object = `\`${file}\``;
  // Bun's own execve needs no FFI, but closes every descriptor above stdio; ours does not.
  const { bun, quickjs } = process.versions;
  const direct = quickjs === undefined && (bun === undefined || keepsFds);
  try {
    call("execve", object, () => (direct ? become(file, args, env) : own(file, args, env)));
  } catch (error) {
    if (error instanceof TsruncError) throw error;
    throw failure("execve", object, (error as NodeJS.ErrnoException).code ?? "EIO", { cause: error });
  }
  throw failure("execve", object, "EIO");
}

/** Node's own (22.15) is no choice: when the call fails, it aborts the process. */
function own(file: string, args: readonly string[], env: Readonly<Record<string, string>>): never {
  return (process as unknown as { readonly execve: OwnExecve }).execve(file, args, env);
}

function become(file: string, args: readonly string[], env: Readonly<Record<string, string>>): number {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  for (const fd of [0, 1, 2]) libc("fcntl", fd, F_SETFD, 0);
  return libc("execve", file, args, variables);
}
