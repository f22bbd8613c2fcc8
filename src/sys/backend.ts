/** What a host's FFI must offer: a handful of libc functions. Everything above is in sys.ts. */

/** `int` is 32 bits, `long` the machine's word; `strings` a NULL-terminated array, `bytes` memory that the call may change. */
export type ArgKind = "int" | "long" | "string" | "strings" | "bytes";
export type Arg = number | string | readonly string[] | Uint8Array;

/** libc's own functions where glibc 2.27 and musl 1.1.20 have them, `syscall` for what is younger. All return int. */
export const FUNCTIONS = {
  eventfd: ["int", "int"],
  execve: ["string", "strings", "strings"],
  fcntl: ["int", "int", "long"],
  flock: ["int", "int"],
  inotify_add_watch: ["int", "string", "int"],
  inotify_init1: ["int"],
  memfd_create: ["string", "int"],
  poll: ["bytes", "long", "int"],
  prctl: ["int", "long", "long", "long", "long"],
  syscall: ["long", "long", "long", "long", "long"],
} as const satisfies Record<string, readonly ArgKind[]>;

export type FunctionName = keyof typeof FUNCTIONS;

export interface Backend {
  /** The function's result, or -errno where it returned -1. The arguments fit {@link FUNCTIONS}. */
  invoke(name: FunctionName, args: readonly Arg[]): number;
}
