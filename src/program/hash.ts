import { OPS } from "./ops.ts";

/**
 * The protocol version: 32-bit FNV-1a of the op table. An encoder and a tsrunc-init that disagree on it
 * were not built from the same table and must not talk to each other.
 *
 * The generated `src/generated/ops-hash.ts` holds the value as a constant: walking the table costs more
 * than a program's start should.
 */
export function opsHash(table: object = OPS): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(JSON.stringify(table))) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
