/** Checks of the root, mounts, hooks, devices and of the paths that are masked or made read-only. */
import { checkMappings, findNamespace } from "./check-namespaces.ts";
import { isBindMount, mountWords, SUPERBLOCK_OPTIONS } from "./mount-words.ts";
import { insidePath } from "./paths.ts";
import { show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { each, error, warn } from "./report.ts";
import type { Device, Hook, Mount, Spec } from "./types.ts";

export function checkRoot(spec: Spec, report: Report): void {
  if (spec.root === undefined) error(report, "/root", "is required, but missing");
}

export function checkMounts(spec: Spec, report: Report): void {
  each(spec.mounts, (mount, index) => {
    const at = `/mounts/${index}`;
    if (mount.destination === "") error(report, `${at}/destination`, "expected a path, found none");
    else if (!mount.destination.startsWith("/")) {
      const message = `relative destination ${show(mount.destination)} is deprecated and taken as \`${insidePath(mount.destination)}\``;
      warn(report, `${at}/destination`, message);
    }
    checkSource(mount, at, report);
    warnOfSuperblock(mount, at, report);
    checkIdMap(spec, mount, at, report);
  });
}

function hasOption(mount: Mount, name: string): boolean {
  return mountWords(mount.options).includes(name);
}

function checkSource(mount: Mount, at: string, report: Report): void {
  if (hasOption(mount, "remount")) return;
  if (isBindMount(mount)) {
    if ((mount.source ?? "") === "") error(report, `${at}/source`, "a bind mount needs a source, found none");
  } else if ((mount.type ?? "") === "") {
    error(report, `${at}/type`, "a mount that is no bind mount needs a type, found none");
  }
}

function warnOfSuperblock(mount: Mount, at: string, report: Report): void {
  if (!isBindMount(mount)) return;
  const found = mountWords(mount.options).find((word) => SUPERBLOCK_OPTIONS.includes(word));
  if (found === undefined) return;
  warn(report, `${at}/options`, `\`${found}\` is of a whole file system, which a bind mount does not change`);
}

function checkIdMap(spec: Spec, mount: Mount, at: string, report: Report): void {
  const { uidMappings = [], gidMappings = [] } = mount;
  checkMappings(uidMappings, `${at}/uidMappings`, report);
  checkMappings(gidMappings, `${at}/gidMappings`, report);
  if (uidMappings.length > 0 && gidMappings.length === 0) {
    error(report, `${at}/gidMappings`, "is required with `uidMappings`, but missing");
  }
  if (gidMappings.length > 0 && uidMappings.length === 0) {
    error(report, `${at}/uidMappings`, "is required with `gidMappings`, but missing");
  }
  const asksForMap = hasOption(mount, "idmap") || hasOption(mount, "ridmap");
  const hasMap = uidMappings.length > 0 || gidMappings.length > 0;
  if (asksForMap && !hasMap && findNamespace(spec, "user") === undefined) {
    error(report, `${at}/options`, "`idmap` needs `uidMappings` and `gidMappings`, or a `user` namespace");
  }
}

export function checkHooks(spec: Spec, report: Report): void {
  for (const [name, hooks] of Object.entries(spec.hooks ?? {})) {
    // An unknown field may hold anything.
    if (!HOOK_NAMES.has(name)) continue;
    each(hooks as readonly Hook[], (hook, index) => {
      if (!hook.path.startsWith("/")) {
        error(report, `/hooks/${name}/${index}/path`, `expected an absolute path, found ${show(hook.path)}`);
      }
    });
  }
}

const HOOK_NAMES: ReadonlySet<string> = new Set([
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
]);

export function checkDevices(spec: Spec, report: Report): void {
  const byPath = new Map<string, string>();
  each(spec.linux?.devices, (device, index) => {
    const at = `/linux/devices/${index}`;
    const path = insidePath(device.path);
    if (!device.path.startsWith("/") || path === "/") {
      error(report, `${at}/path`, `expected an absolute path, found ${show(device.path)}`);
    }
    checkDeviceNumbers(device, at, report);
    const node = `${device.type === "u" ? "c" : device.type} ${device.major}:${device.minor}`;
    if ((byPath.get(path) ?? node) !== node) {
      error(report, `${at}/path`, `${show(device.path)} is listed before as another device`);
    }
    byPath.set(path, node);
  });
}

function checkDeviceNumbers(device: Device, at: string, report: Report): void {
  if (device.type === "p") return;
  for (const part of ["major", "minor"] as const) {
    if (device[part] === undefined)
      error(report, `${at}/${part}`, `is required for type \`${device.type}\`, but missing`);
  }
}

export function checkRestrictedPaths(spec: Spec, report: Report): void {
  for (const name of ["maskedPaths", "readonlyPaths"] as const) {
    const paths = spec.linux?.[name] ?? [];
    if (paths.length > 0 && findNamespace(spec, "mount") === undefined) {
      error(report, `/linux/${name}`, "needs a `mount` namespace, found none");
    }
    each(paths, (path, index) => {
      const at = `/linux/${name}/${index}`;
      if (!path.startsWith("/")) error(report, at, `expected an absolute path, found ${show(path)}`);
      else if (name === "maskedPaths" && insidePath(path) === "/")
        error(report, at, "the root itself cannot be masked");
    });
  }
}
