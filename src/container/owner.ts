/** Names of users. */

import * as fs from "node:fs";

/** @returns the user's name in /etc/passwd, else `#uid`. */
export function userName(uid: number): string {
  let passwd = "";
  try {
    passwd = fs.readFileSync("/etc/passwd", "utf8");
  } catch {
    // A host without users' names.
  }
  for (const line of passwd.split("\n")) {
    const fields = line.split(":");
    if (fields[2] === String(uid)) return fields[0] ?? `#${uid}`;
  }
  return `#${uid}`;
}
