/** Checks of namespaces and of what only makes sense with one: id maps, time offsets, host names, network devices. */
import { pointer, show } from "./pointer.ts";
import type { Report } from "./report.ts";
import { each, error, exceedsBytes, warn } from "./report.ts";
import type { IDMapping, Namespace, NamespaceType, Spec } from "./types.ts";

const UTS_LENGTH = 64; // __NEW_UTS_LEN

/** The namespace of a type, if the container has one of its own or joins one. */
export function findNamespace(spec: Spec, type: NamespaceType): Namespace | undefined {
  // Not find(): the engine compiles such methods when they are first called, which is here.
  for (const namespace of spec.linux?.namespaces ?? []) if (namespace.type === type) return namespace;
  return undefined;
}

/** True when the namespace is to be made, not joined. */
function isNew(namespace: Namespace | undefined): boolean {
  return namespace !== undefined && (namespace.path ?? "") === "";
}

export function checkNamespaces(spec: Spec, report: Report): void {
  const seen = new Set<string>();
  each(spec.linux?.namespaces, ({ type, path = "" }, index) => {
    const at = `/linux/namespaces/${index}`;
    if (seen.has(type)) error(report, `${at}/type`, `namespace \`${type}\` is listed twice`);
    seen.add(type);
    if (path !== "" && !path.startsWith("/")) {
      error(report, `${at}/path`, `expected an absolute path, found ${show(path)}`);
    }
  });
}

export function checkUserNamespace(spec: Spec, report: Report): void {
  const namespace = findNamespace(spec, "user");
  for (const name of ["uidMappings", "gidMappings"] as const) {
    const mappings = spec.linux?.[name] ?? [];
    const at = `/linux/${name}`;
    if (mappings.length === 0) {
      if (isNew(namespace)) error(report, at, "a new `user` namespace needs at least one mapping, found none");
      continue;
    }
    if (namespace === undefined) error(report, at, "mappings need a `user` namespace, found none");
    // runc compares them with those of the namespace; they can have no effect.
    else if (!isNew(namespace))
      warn(report, at, "ignored: the `user` namespace that is joined has mappings of its own");
    checkMappings(mappings, at, report);
  }
  if (!isNew(namespace)) return;
  checkRootIsMapped(spec, report);
  checkUserIsMapped(spec, report);
}

/** user_namespaces(7): at most so many lines since Linux 4.15. */
const MOST_MAPPINGS = 340;

/** user_namespaces(7): no id twice on either side. */
export function checkMappings(mappings: readonly IDMapping[], at: string, report: Report): void {
  if (mappings.length > MOST_MAPPINGS) {
    error(report, at, `expected at most ${MOST_MAPPINGS} entries, found ${mappings.length}`);
    return;
  }
  each(mappings, (mapping, index) => {
    for (const side of ["containerID", "hostID"] as const) {
      const end = mapping[side] + mapping.size;
      if (end > 2 ** 32) error(report, `${at}/${index}/size`, `${side} + size is above 4294967296`);
      const other = mappings.findIndex((that, at) => {
        return at < index && that[side] < end && mapping[side] < that[side] + that.size;
      });
      if (other >= 0) error(report, `${at}/${index}/${side}`, `overlaps with entry ${other}`);
    }
  });
}

/** As with runc: what sets the container up is root in there. */
function checkRootIsMapped(spec: Spec, report: Report): void {
  for (const name of ["uidMappings", "gidMappings"] as const) {
    const mappings = spec.linux?.[name] ?? [];
    if (mappings.length === 0 || mappings.some(({ containerID, size }) => containerID === 0 && size > 0)) continue;
    error(report, `/linux/${name}`, "the container id 0 is not mapped, which whoever sets the container up has to be");
  }
}

function checkUserIsMapped(spec: Spec, report: Report): void {
  const user = spec.process?.user;
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  const most = Math.max(uidMappings.length, gidMappings.length);
  if (user === undefined || uidMappings.length === 0 || gidMappings.length === 0 || most > MOST_MAPPINGS) return;
  checkIdIsMapped(user.uid, inOrder(uidMappings), "/process/user/uid", "uid", report);
  const gids = inOrder(gidMappings);
  checkIdIsMapped(user.gid, gids, "/process/user/gid", "gid", report);
  each(user.additionalGids, (gid, index) => {
    checkIdIsMapped(gid, gids, `/process/user/additionalGids/${index}`, "gid", report);
  });
}

/** By their ids in the container. */
function inOrder(mappings: readonly IDMapping[]): readonly IDMapping[] {
  return [...mappings].sort((a, b) => a.containerID - b.containerID);
}

function checkIdIsMapped(id: number, mappings: readonly IDMapping[], at: string, kind: string, report: Report): void {
  // The last one that begins at or before the id is the only one that may have it.
  let low = 0;
  let high = mappings.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mappings[middle]!.containerID <= id) low = middle + 1;
    else high = middle;
  }
  const mapping = mappings[low - 1];
  const isMapped = mapping !== undefined && id < mapping.containerID + mapping.size;
  if (!isMapped) error(report, at, `\`${id}\` is not mapped by \`linux.${kind}Mappings\``);
}

export function checkTimeOffsets(spec: Spec, report: Report): void {
  const clocks = Object.keys(spec.linux?.timeOffsets ?? {});
  if (clocks.length === 0) return;
  const namespace = findNamespace(spec, "time");
  if (namespace === undefined) error(report, "/linux/timeOffsets", "offsets need a `time` namespace, found none");
  else if (!isNew(namespace)) {
    error(report, "/linux/timeOffsets", "a `time` namespace that is joined cannot get other offsets");
  }
  for (const clock of clocks) {
    if (clock !== "monotonic" && clock !== "boottime") {
      error(report, pointer("linux", "timeOffsets", clock), "expected one of `monotonic`, `boottime`");
    }
  }
}

export function checkHostNames(spec: Spec, report: Report): void {
  for (const name of ["hostname", "domainname"] as const) {
    const value = spec[name] ?? "";
    if (value === "") continue;
    if (findNamespace(spec, "uts") === undefined) error(report, `/${name}`, "needs a `uts` namespace, found none");
    if (exceedsBytes(value, UTS_LENGTH)) error(report, `/${name}`, `expected at most ${UTS_LENGTH} bytes, found more`);
  }
}

export function checkNetDevices(spec: Spec, report: Report): void {
  const devices = Object.entries(spec.linux?.netDevices ?? {});
  if (devices.length === 0) return;
  if (findNamespace(spec, "network") === undefined) {
    error(report, "/linux/netDevices", "needs a `network` namespace, found none");
  }
  const names = new Set<string>();
  for (const [hostName, { name = "" }] of devices) {
    const at = pointer("linux", "netDevices", hostName);
    const hostProblem = deviceNameProblem(hostName);
    if (hostProblem !== undefined) error(report, at, hostProblem);
    // One `%d` is a template that the kernel fills in (dev_alloc_name).
    const problem = name === "" ? undefined : deviceNameProblem(name.replace("%d", ""), name);
    if (problem !== undefined) error(report, `${at}/name`, problem);
    const inside = name === "" ? hostName : name;
    if (names.has(inside) && !inside.includes("%d")) {
      error(report, name === "" ? at : `${at}/name`, `two devices get the name ${show(inside)}`);
    }
    names.add(inside);
  }
}

/** dev_valid_name() of net/core/dev.c, and no `%`, which dev_alloc_name() takes for a template. */
function deviceNameProblem(bare: string, shown: string = bare): string | undefined {
  const isName = /^[^/:%\s]*$/.test(bare) && shown !== "" && shown !== "." && shown !== "..";
  return isName && !exceedsBytes(shown, 15)
    ? undefined
    : `expected a device name of at most 15 bytes without \`/\`, \`:\`, \`%\` and blanks, found ${show(shown)}`;
}
