/** Files in memory under a limit on the size of files, which counts for memfds too. */
import process from "node:process";
import { host } from "./quickjs/host.ts";

/**
 * A file in memory with this content, and `room` zeros behind it at least. It stays open across execve.
 *
 * @returns undefined where that cannot be had: without root of the host, and in the library
 */
export function mappedFile(content: Uint8Array, room: number): number | undefined {
  if (process.versions.quickjs === undefined) return undefined;
  const fd = host.mapping(content, room);
  return fd < 0 ? undefined : fd;
}
