import type { Backend } from "../backend.ts";
import { attempt } from "./call.ts";
import { host } from "./host.ts";

/** libc's functions are the system calls of the same name; no FFI. */
export function quickjsBackend(): Backend {
  return {
    invoke(name, args) {
      if (name === "syscall") {
        const [number, ...words] = args as number[];
        return host.syscall(number ?? -1, ...words);
      }
      return attempt(name, ...(args as (number | string)[]));
    },
  };
}
