/** Numbers of the kernel's interface, by name, for printed programs. Values are those of include/uapi/linux. */

import * as os from "node:os";
import { capabilityNames } from "../spec/capabilities.ts";
import { KEEP_HARD_LIMIT, MOUNT_FLAGS, PIVOT_MODES, TOKENS } from "./ops.ts";

/** `NAME:VALUE` in hexadecimal, blank-separated; parsed when first asked for. */
const BITS = {
  clone:
    "CLONE_NEWTIME:80 CLONE_VM:100 CLONE_FS:200 CLONE_FILES:400 CLONE_PIDFD:1000 CLONE_PARENT:8000 CLONE_NEWNS:20000 CLONE_NEWCGROUP:2000000 CLONE_NEWUTS:4000000 CLONE_NEWIPC:8000000 CLONE_NEWUSER:10000000 CLONE_NEWPID:20000000 CLONE_NEWNET:40000000 CLONE_INTO_CGROUP:200000000",
  attr: "MOUNT_ATTR_RDONLY:1 MOUNT_ATTR_NOSUID:2 MOUNT_ATTR_NODEV:4 MOUNT_ATTR_NOEXEC:8 MOUNT_ATTR_NOATIME:10 MOUNT_ATTR_STRICTATIME:20 MOUNT_ATTR_NODIRATIME:80 MOUNT_ATTR_IDMAP:100000 MOUNT_ATTR_NOSYMFOLLOW:200000",
  propagation: "MS_REC:4000 MS_UNBINDABLE:20000 MS_PRIVATE:40000 MS_SLAVE:80000 MS_SHARED:100000",
  open: "O_WRONLY:1 O_RDWR:2 O_CREAT:40 O_EXCL:80 O_NOCTTY:100 O_TRUNC:200 O_APPEND:400 O_NONBLOCK:800 O_DIRECTORY:10000 O_NOFOLLOW:20000 O_CLOEXEC:80000 O_PATH:200000",
  seccomp: "TSYNC:1 LOG:2 SPEC_ALLOW:4 NEW_LISTENER:8 TSYNC_ESRCH:10 WAIT_KILLABLE_RECV:20",
} as const;

/** Bit or value N is the N-th word. */
const NUMBERED = {
  rlimit:
    "RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_MEMLOCK RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME",
  scheduler: "SCHED_OTHER SCHED_FIFO SCHED_RR SCHED_BATCH SCHED_ISO SCHED_IDLE SCHED_DEADLINE",
} as const;

/** How the operand `op.operand`, else every operand of that name, is written. */
const STYLES: Readonly<Record<string, string>> = {
  mode: "octal",
  mask: "octal",
  umask: "octal",
  "boundingSet.mask": "capability",
  "pivot.mode": "pivot",
  token: "token",
  soft: "limit",
  hard: "limit",
  "signal.signal": "signal",
  "mount.flags": "mountFlags",
  "bind.flags": "mountFlags",
  "classicMount.flags": "mountFlags",
  "classicMount.attr": "hex",
  "memoryPolicy.mode": "number",
  "clone.flags": "clone",
  "unshare.flags": "clone",
  "setns.flags": "clone",
  "openNs.type": "clone",
  "open.flags": "open",
  "write.flags": "open",
  "seccomp.flags": "seccomp",
  filterFlags: "seccomp",
  "propagation.flags": "propagation",
  "root.parent": "propagation",
  propagation: "propagation",
  attr: "attr",
  set: "attr",
  clear: "attr",
  recursiveSet: "attr",
  recursiveClear: "attr",
  effective: "capability",
  permitted: "capability",
  inheritable: "capability",
  ambient: "capability",
  resource: "rlimit",
  policy: "scheduler",
  "device.type": "fileType",
  flags: "hex",
  persona: "hex",
};

/**
 * One number as a person would write it: octal, flag names joined by `|` ("" for none), decimal if nothing
 * better is known.
 */
export function symbolic(op: string, operand: string, value: bigint): string {
  const style = STYLES[`${op}.${operand}`] ?? STYLES[operand] ?? "number";
  switch (style) {
    case "octal":
      return value === 0n ? "0" : `0${value.toString(8)}`;
    case "hex":
      return value === 0n ? "" : hex(value);
    case "limit":
      return limit(value);
    case "fileType":
      return nameOf({ char: 0o20000, block: 0o60000, fifo: 0o10000 }, value);
    case "pivot":
      return nameOf(PIVOT_MODES, value);
    case "token":
      return nameOf(TOKENS, value);
    case "signal":
      return nameOf(os.constants.signals, value);
    case "capability":
      return bitNames(capabilityBits(), value) || "none";
    case "mountFlags":
      return bitNames(
        Object.entries(MOUNT_FLAGS).map(([name, bits]) => [name, BigInt(bits)]),
        value,
      );
    case "rlimit":
    case "scheduler":
      return NUMBERED[style].split(" ")[Number(value)] ?? String(value);
    default:
      return Object.hasOwn(BITS, style) ? bitNames(bitTable(BITS[style as keyof typeof BITS]), value) : String(value);
  }
}

function nameOf(table: Readonly<Record<string, number>>, value: bigint): string {
  return Object.entries(table).find(([, number]) => BigInt(number) === value)?.[0] ?? String(value);
}

function limit(value: bigint): string {
  if (value === KEEP_HARD_LIMIT) return "keep";
  return BigInt.asUintN(64, value) === (1n << 64n) - 1n ? "infinity" : String(value);
}

function capabilityBits(): [string, bigint][] {
  return capabilityNames().map((name, number) => [name, 1n << BigInt(number)]);
}

function bitTable(text: string): [string, bigint][] {
  return text.split(" ").map((word) => {
    const [name = "", bits = ""] = word.split(":");
    return [name, BigInt(`0x${bits}`)];
  });
}

/** Bits without a name are added as one hexadecimal number. */
function bitNames(table: readonly (readonly [string, bigint])[], value: bigint): string {
  let left = BigInt.asUintN(64, value);
  const names: string[] = [];
  for (const [name, bits] of table) {
    if ((left & bits) !== bits) continue;
    names.push(name);
    left &= ~bits;
  }
  if (left !== 0n) names.push(hex(left));
  return names.join("|");
}

function hex(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`;
}
