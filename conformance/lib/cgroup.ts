/** Reading a container's cgroup from the host, in whichever layout the host has. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { cgroupVersion } from "./host.ts";
import { cgroupMounts } from "./leaks.ts";

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
