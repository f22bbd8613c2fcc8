/** What is read once by a process that lives long. The executable's memory is made at build time: it remembers nothing. */
import type { Context } from "./context.ts";

export type Memory = Map<string, unknown>;

/** For what cannot change while this process lives: `read` is called once per {@link Memory}, or always without one. */
export function once<T>({ memory }: Pick<Context, "memory">, key: string, read: () => T): T {
  if (memory === undefined) return read();
  if (!memory.has(key)) memory.set(key, read());
  return memory.get(key) as T;
}
