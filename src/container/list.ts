/** The containers of a root directory. */

import { formatError, TsruncError } from "../errors.ts";
import type { Context } from "./context.ts";
import { type OciState, readState } from "./state.ts";
import { containerIds } from "./store.ts";

/**
 * States of all containers, sorted by id. One whose state cannot be read is warned about and left out.
 *
 * @throws TsruncError `io` for a root that was named and does not exist, or cannot be read
 */
export function listContainers(context: Context): OciState[] {
  const ids = containerIds(context.root);
  if (ids === undefined) {
    if (!context.rootGiven) return [];
    throw new TsruncError("io", `root directory \`${context.root}\`: no such file or directory`, { errno: "ENOENT" });
  }
  const states: OciState[] = [];
  for (const id of ids) {
    try {
      states.push(readState(context.root, id));
    } catch (error) {
      // ENOENT: deleted between the two looks.
      if (error instanceof TsruncError && error.errno === "ENOENT") continue;
      context.log.warn(`load container \`${id}\`: ${formatError(error)}`);
    }
  }
  return states;
}

/** The table that `list` prints: columns at least 12 wide, 3 blanks apart. */
export function listTable(states: readonly OciState[]): string {
  const rows = [
    ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
    ...states.map((state) => [state.id, String(state.pid), state.status, state.bundle, state.created, state.owner]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(12, ...rows.map((row) => row[column]!.length + 3)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join(""),
  );
  return `${lines.join("\n")}\n`;
}
