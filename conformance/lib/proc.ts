/** What /proc tells of mounts and processes, whoever asks. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";

/** "" when it cannot be read. */
export function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function linkOrEmpty(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

/** The lines of /proc/self/mountinfo. */
export function mountLines(): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

/** All directories below one, parents first. What goes while it is looked at is left out. */
export function directoriesBelow(root: string): readonly string[] {
  let found: readonly string[];
  try {
    found = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(root, entry.name));
  } catch {
    return [];
  }
  return found.flatMap((directory) => [directory, ...directoriesBelow(directory)]);
}

/** Every process that is not a zombie, and its parent. */
export function livingProcesses(): ReadonlyMap<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readOrEmpty(`/proc/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (stat === "" || fields[0] === "Z" || fields[0] === "X") continue;
    parents.set(Number(name), Number(fields[1]));
  }
  return parents;
}

/** Whether a process bears the mark of a test run: in its environment, arguments, cgroup, program, or where it stands. */
export function bearsMark(pid: number, mark: string): boolean {
  return (
    ["environ", "cmdline", "cgroup"].some((name) => readOrEmpty(`/proc/${pid}/${name}`).includes(mark)) ||
    ["exe", "cwd", "root"].some((name) => linkOrEmpty(`/proc/${pid}/${name}`).includes(mark))
  );
}

/** Its number and what it runs. */
export function describeProcess(pid: number): string {
  const command = readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  return `${pid} (${command || readOrEmpty(`/proc/${pid}/comm`).trim()})`;
}
