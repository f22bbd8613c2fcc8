import type { Backend, FunctionName } from "../backend.ts";
import { attempt, timespec } from "./call.ts";
import { host, type Word } from "./host.ts";

const SIGSET_SIZE = 8;

/** What libc makes of a system call that is not the one of the same name, since newer architectures have no such. */
const YOUNGER: Readonly<Partial<Record<FunctionName, (...words: readonly Word[]) => number>>> = {
  eventfd: (...words) => attempt("eventfd2", ...words),
  poll: (fds = 0, count = 0, milliseconds = 0) =>
    attempt("ppoll", fds, count, timespec(milliseconds as number), 0, SIGSET_SIZE),
  syscall: (number, ...words) => host.syscall(number as number, ...words),
};

/** libc's functions are the system calls themselves; no FFI. */
export function quickjsBackend(): Backend {
  return {
    invoke: (name, args) => {
      const words = args as readonly Word[];
      return YOUNGER[name]?.(...words) ?? attempt(name, ...words);
    },
  };
}
