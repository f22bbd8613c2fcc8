/**
 * Sets a run apart from whoever else uses the machine, so that what it leaves behind can be told from what others make:
 * a mount namespace of its own, in which every new mount is the run's, with a /dev/null of its own; and a resource limit
 * of an odd value, which every process that comes of the run inherits, whatever becomes of its parents and its environment.
 */
import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { readOrEmpty } from "./proc.ts";

/** True where the machine is the run's alone (CI): then whatever is new on it is a leak, whoever seems to have made it. */
export const STRICT = process.env.CONFORMANCE_STRICT === "1";

const CLONE_NEWNS = 0x20000;

/**
 * A copy of the mounts to which the caller's propagate no more; what was shared is shared again, among the run's own
 * namespaces. The device is made on a file system of its own, of which then only the device is left.
 */
export const OWN_MOUNTS = `
set -e
shared=$(awk '$5 == "/" && $7 ~ /^shared:/ { print 1; exit }' /proc/self/mountinfo)
mount --make-rprivate /
if [ "$shared" ]; then mount --make-rshared /; fi
place=$(mktemp -d)
mount -t tmpfs -o mode=755 null "$place"
mknod -m 666 "$place/null" c 1 3
mount --bind "$place/null" /dev/null
umount "$place"
rmdir "$place"`;

/** Name of a variable that holds the mount namespace the run has made, for the run's later files. */
export const OWN_NAMESPACE = "CONFORMANCE_MOUNT_NAMESPACE";

function mountNamespace(): string {
  return readlinkSync("/proc/self/ns/mnt");
}

/**
 * It takes root's rights: without them, mounts are told by the run's mark alone. The suite's own runner starts its workers in
 * such a namespace; only Bun can make one for itself.
 */
async function leaveMounts(): Promise<boolean> {
  if (process.env[OWN_NAMESPACE] === mountNamespace()) return true;
  if (process.versions.bun === undefined) return false;
  try {
    const { dlopen, FFIType } = await import("bun:ffi");
    const libc = dlopen("libc.so.6", { unshare: { args: [FFIType.i32], returns: FFIType.i32 } });
    if (libc.symbols.unshare(CLONE_NEWNS) !== 0) return false;
  } catch {
    return false;
  }
  const { status, stderr } = spawnSync("/bin/sh", ["-c", OWN_MOUNTS], { encoding: "utf8" });
  if (status !== 0) throw new Error(`a mount namespace for the run cannot be set up: ${stderr.trim()}`);
  process.env[OWN_NAMESPACE] = mountNamespace();
  return true;
}

/** True where every mount of this namespace that was not there before is the run's, and /dev/null too. */
export const OWN_MOUNT_NAMESPACE = !STRICT && (await leaveMounts());

function softLimit(pid: number | "self"): string {
  return /^Max msgqueue size +(\d+)/m.exec(readOrEmpty(`/proc/${pid}/limits`))?.[1] ?? "";
}

/** Nobody needs this many bytes of POSIX message queues, and nobody else has just this limit. */
const LIMIT = String(819_200 - 1 - (process.pid % 400_000));

if (softLimit("self") !== LIMIT) spawnSync("prlimit", ["--pid", String(process.pid), `--msgqueue=${LIMIT}:`]);

const MARKED = softLimit("self") === LIMIT;

/** Whether a process has inherited the run's limit. */
export function bearsLimit(pid: number): boolean {
  return MARKED && softLimit(pid) === LIMIT;
}
