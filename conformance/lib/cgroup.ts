/** Reading a container's cgroup from the host, in whichever layout the host has. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cgroupVersion } from "./host.ts";
import { cgroupMounts } from "./leaks.ts";
import { readOrEmpty } from "./proc.ts";
import { TAG } from "./workspace.ts";

/** Where a v1 hierarchy with `controller` is mounted, or the cgroup2 root. */
export function mountPoint(controller: string): string | undefined {
  const wanted =
    cgroupVersion() === 2
      ? cgroupMounts().find(({ type }) => type === "cgroup2")
      : cgroupMounts().find(({ type, controllers }) => type === "cgroup" && controllers.includes(controller));
  return wanted?.target;
}

/** True when the host can set limits of `controller`. */
export function hasController(controller: string): boolean {
  if (cgroupVersion() === 1) return mountPoint(controller) !== undefined;
  return readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ").includes(controller);
}

/** Path of `pid`'s cgroup within the hierarchy of `controller`. */
export function cgroupPath(pid: number, controller: string): string {
  for (const line of readFileSync(`/proc/${pid}/cgroup`, "utf8").trimEnd().split("\n")) {
    const [, controllers, ...rest] = line.split(":");
    const matches = cgroupVersion() === 2 ? controllers === "" : (controllers ?? "").split(",").includes(controller);
    if (matches) return rest.join(":");
  }
  throw new Error(`process ${pid} is in no cgroup with \`${controller}\``);
}

/** Host directory of `pid`'s cgroup with `controller`. */
export function cgroupDirectory(pid: number, controller: string): string {
  return path.join(mountPoint(controller) ?? "/nonexistent", cgroupPath(pid, controller));
}

/** Content of a control file of `pid`'s cgroup, trimmed, blanks made one. */
export function readControl(pid: number, controller: string, file: string): string {
  return readFileSync(path.join(cgroupDirectory(pid, controller), file), "utf8")
    .trim()
    .replace(/\s+/g, " ");
}

/** All v1 hierarchies or the one of v2, by mount point. */
export function hierarchyRoots(): readonly string[] {
  return cgroupMounts()
    .filter(({ type }) => cgroupVersion() === 1 || type === "cgroup2")
    .map(({ target }) => target);
}

/** Whether a new cgroup has these control files: some exist only with kernel options that not every machine has. */
export function hasControlFiles(controller: string, files: readonly string[]): boolean {
  if (!hasController(controller)) return false;
  // On v2 a cgroup below the root shows a controller only when its parent has handed it on.
  if (cgroupVersion() === 2) writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", `+${controller}`);
  const trial = path.join(mountPoint(controller) ?? "", `${TAG}-trial`);
  mkdirSync(trial);
  const found = files.every((file) => existsSync(path.join(trial, file)));
  rmdirSync(trial);
  return found;
}

/** A block device of this machine that rules can name, and whose I/O scheduler is that one. */
export function blockDevice(scheduler?: string): { major: number; minor: number } | undefined {
  for (const name of existsSync("/sys/block") ? readdirSync("/sys/block") : []) {
    const queue = readOrEmpty(`/sys/block/${name}/queue/scheduler`);
    if (scheduler !== undefined && !queue.includes(`[${scheduler}]`)) continue;
    const [major, minor] = readFileSync(`/sys/block/${name}/dev`, "utf8").trim().split(":").map(Number);
    if (/^(vd|sd|nvme|loop0|zram)/.test(name)) return { major: major ?? 0, minor: minor ?? 0 };
  }
  return undefined;
}
