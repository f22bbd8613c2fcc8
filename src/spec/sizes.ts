/** Sizes in bytes as users write them. */
import { TsruncError } from "../errors.ts";

const UNITS = "KMGTP";

/**
 * Bytes of `65536`, `64K`, `64M`, `1.5g`, `512MiB`, `2GB` (all with base 1024, as in Docker), and of `-1`.
 * The result is a whole number; beyond 2^53-1 there is no such memory.
 *
 * @param option For the message, such as ``flag `--memory` ``.
 * @throws TsruncError "usage"
 */
export function parseSize(text: string, option: string): number {
  if (text === "-1") return -1;
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGTP])(?:i?B)?|B)?$/i.exec(text);
  const factor = match?.[2] === undefined ? 1 : 1024 ** (UNITS.indexOf(match[2].toUpperCase()) + 1);
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * factor);
  if (!Number.isSafeInteger(bytes)) {
    throw new TsruncError("usage", `${option}: expected a size such as \`64M\`, found \`${text}\``);
  }
  return bytes;
}
