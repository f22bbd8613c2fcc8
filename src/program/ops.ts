/**
 * The table of ops: what tsrunc-init can do. It is defined here and nowhere else: the C header with
 * opcodes and operand layouts is generated from it at build time (scripts/generate-ops.ts), and the
 * C build fails while a handler is missing.
 *
 * An op is one 8-byte head followed by one 8-byte word per operand, in the order written here.
 * Operand kinds:
 *   u64, i64  a number               slot   an entry of the executor's fd table, -1 for none
 *   bool      0 or 1                 errnos up to four errno names that count as success
 *   str       a string without NUL   str?   the same, or absent
 *   text      a string in which PID, START and EXIT (below) are replaced when the op runs
 *   texts     a list of text         strs   a list of strings
 *   bytes     raw bytes
 * `steps` names what can fail inside the op, in the order in which C counts them.
 * `on`: L = launcher (host side), I = container init, B = both.
 */
export const OPS = {
  // ---- host files ----
  mkdir: {
    on: "B",
    args: { path: "str", mode: "u64", parents: "bool", existOk: "bool", uid: "i64", gid: "i64" },
    steps: ["mkdir", "chown"],
  },
  write: { on: "B", args: { path: "str", text: "text", flags: "u64", ignore: "errnos" }, steps: ["open", "write"] },
  putFile: { on: "L", args: { path: "str", text: "text", mode: "u64" }, steps: ["open", "write", "rename"] },
  // ---- cgroups ----
  attach: { on: "L", args: { path: "str", ignore: "errnos" }, steps: ["open", "write"] },
  deviceProgram: { on: "L", args: { cgroup: "str", program: "bytes" }, steps: ["open", "load", "query", "attach", "detach"] },
  cgroupRemove: {
    on: "L",
    args: { path: "str", kill: "bool", timeoutMs: "u64" },
    steps: ["open", "kill", "rmdir"],
  },
} as const;

/** Stands for the container's pid in the launcher's pid namespace (in hooks run by init: as init sees itself). */
export const PID = "\u0001p";
/** Stands for the container's start time, field 22 of /proc/PID/stat, in clock ticks. */
export const START = "\u0001s";

type Operand<K> = K extends "u64" | "i64"
  ? number | bigint
  : K extends "slot"
    ? number
    : K extends "bool"
      ? boolean
      : K extends "errnos"
        ? readonly string[]
        : K extends "str?"
          ? string | undefined
          : K extends "strs" | "texts"
            ? readonly string[]
            : K extends "bytes"
              ? Uint8Array
              : string;

export type OpName = keyof typeof OPS;

/** One op of the given name, with its operands and the part of config.json it came from. */
export type OpOf<N extends OpName> = {
  readonly op: N;
  /** JSON pointer into config.json. */
  readonly at?: string;
  /** What the op is for, as the user would say it: `mounts[3] (/sys/fs/cgroup)`. */
  readonly what?: string;
} & { readonly [A in keyof (typeof OPS)[N]["args"]]: Operand<(typeof OPS)[N]["args"][A]> };

export type Op = { [N in OpName]: OpOf<N> }[OpName];
