/**
 * Every field of runtime-spec 1.3 has a type, a schema entry and thereby a validator. `fields` makes the compiler
 * check that the names written here are those of the type, no more and no fewer.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { validateFeatures, validateState } from "../../src/generated/validate.js";
import type * as Oci from "../../src/spec/types.ts";

type Keys<T> = keyof T & string;

/** The names, as one text with blanks; a compile error if a name of T is missing or one is not of T. */
function fields<T>() {
  return <const K extends readonly Keys<T>[]>(
    ...names: Exclude<Keys<T>, K[number]> extends never ? K : [missing: Exclude<Keys<T>, K[number]>]
  ): readonly string[] => names as readonly string[];
}

type Schema = { readonly [key: string]: unknown };

const SCHEMA_DIR = new URL("../../schemas/", import.meta.url);
const FILES = new Map(
  readdirSync(SCHEMA_DIR).map((name) => [name, JSON.parse(readFileSync(new URL(name, SCHEMA_DIR), "utf8")) as Schema]),
);

/** File of the schema, path of properties in it (`*` an entry of a list or map), fields. */
const FIELDS: readonly (readonly [file: string, path: string, names: readonly string[]])[] = [
  [
    "config",
    "",
    fields<Oci.Spec>()(
      "ociVersion",
      "process",
      "root",
      "hostname",
      "domainname",
      "mounts",
      "hooks",
      "annotations",
      "linux",
      "solaris",
      "windows",
      "vm",
      "zos",
      "freebsd",
    ),
  ],
  ["config", "root", fields<Oci.Root>()("path", "readonly")],
  ["config", "mounts/*", fields<Oci.Mount>()("destination", "type", "source", "options", "uidMappings", "gidMappings")],
  ["config", "mounts/*/uidMappings/*", fields<Oci.IDMapping>()("containerID", "hostID", "size")],
  ["config", "linux/gidMappings/*", fields<Oci.IDMapping>()("containerID", "hostID", "size")],
  [
    "config",
    "hooks",
    fields<Oci.Hooks>()("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"),
  ],
  ["config", "hooks/poststop/*", fields<Oci.Hook>()("path", "args", "env", "timeout")],
  [
    "process",
    "",
    fields<Oci.Process>()(
      "terminal",
      "consoleSize",
      "user",
      "args",
      "commandLine",
      "env",
      "cwd",
      "capabilities",
      "rlimits",
      "noNewPrivileges",
      "apparmorProfile",
      "oomScoreAdj",
      "scheduler",
      "selinuxLabel",
      "ioPriority",
      "execCPUAffinity",
    ),
  ],
  ["process", "consoleSize", fields<Oci.Box>()("height", "width")],
  ["process", "user", fields<Oci.User>()("uid", "gid", "umask", "additionalGids", "username")],
  [
    "process",
    "capabilities",
    fields<Oci.LinuxCapabilities>()("bounding", "effective", "inheritable", "permitted", "ambient"),
  ],
  ["process", "rlimits/*", fields<Oci.PosixRlimit>()("type", "hard", "soft")],
  [
    "process",
    "scheduler",
    fields<Oci.Scheduler>()("policy", "nice", "priority", "flags", "runtime", "deadline", "period"),
  ],
  ["process", "ioPriority", fields<Oci.LinuxIOPriority>()("class", "priority")],
  ["process", "execCPUAffinity", fields<Oci.CPUAffinity>()("initial", "final")],
  [
    "linux",
    "",
    fields<Oci.Linux>()(
      "uidMappings",
      "gidMappings",
      "sysctl",
      "resources",
      "cgroupsPath",
      "namespaces",
      "devices",
      "netDevices",
      "seccomp",
      "rootfsPropagation",
      "maskedPaths",
      "readonlyPaths",
      "mountLabel",
      "intelRdt",
      "memoryPolicy",
      "personality",
      "timeOffsets",
    ),
  ],
  ["linux", "namespaces/*", fields<Oci.Namespace>()("type", "path")],
  ["linux", "devices/*", fields<Oci.Device>()("path", "type", "major", "minor", "fileMode", "uid", "gid")],
  ["linux", "netDevices/*", fields<Oci.NetDevice>()("name")],
  [
    "linux",
    "intelRdt",
    fields<Oci.IntelRdt>()("closID", "schemata", "l3CacheSchema", "memBwSchema", "enableMonitoring"),
  ],
  ["linux", "memoryPolicy", fields<Oci.MemoryPolicy>()("mode", "nodes", "flags")],
  ["linux", "personality", fields<Oci.Personality>()("domain", "flags")],
  ["linux", "timeOffsets/*", fields<Oci.TimeOffset>()("secs", "nanosecs")],
  [
    "resources",
    "",
    fields<Oci.Resources>()(
      "devices",
      "memory",
      "cpu",
      "pids",
      "blockIO",
      "hugepageLimits",
      "network",
      "rdma",
      "unified",
    ),
  ],
  ["resources", "devices/*", fields<Oci.DeviceRule>()("allow", "type", "major", "minor", "access")],
  [
    "resources",
    "memory",
    fields<Oci.MemoryResources>()(
      "limit",
      "reservation",
      "swap",
      "kernel",
      "kernelTCP",
      "swappiness",
      "disableOOMKiller",
      "useHierarchy",
      "checkBeforeUpdate",
    ),
  ],
  [
    "resources",
    "cpu",
    fields<Oci.CpuResources>()(
      "shares",
      "quota",
      "burst",
      "period",
      "realtimeRuntime",
      "realtimePeriod",
      "cpus",
      "mems",
      "idle",
    ),
  ],
  ["resources", "pids", fields<Oci.PidsResources>()("limit")],
  [
    "resources",
    "blockIO",
    fields<Oci.BlockIOResources>()(
      "weight",
      "leafWeight",
      "weightDevice",
      "throttleReadBpsDevice",
      "throttleWriteBpsDevice",
      "throttleReadIOPSDevice",
      "throttleWriteIOPSDevice",
    ),
  ],
  ["resources", "blockIO/weightDevice/*", fields<Oci.WeightDevice>()("major", "minor", "weight", "leafWeight")],
  ["resources", "blockIO/throttleReadBpsDevice/*", fields<Oci.ThrottleDevice>()("major", "minor", "rate")],
  ["resources", "blockIO/throttleWriteIOPSDevice/*", fields<Oci.ThrottleDevice>()("major", "minor", "rate")],
  ["resources", "hugepageLimits/*", fields<Oci.HugepageLimit>()("pageSize", "limit")],
  ["resources", "network", fields<Oci.NetworkResources>()("classID", "priorities")],
  ["resources", "network/priorities/*", fields<Oci.InterfacePriority>()("name", "priority")],
  ["resources", "rdma/*", fields<Oci.RdmaLimit>()("hcaHandles", "hcaObjects")],
  [
    "seccomp",
    "",
    fields<Oci.Seccomp>()(
      "defaultAction",
      "defaultErrnoRet",
      "architectures",
      "flags",
      "listenerPath",
      "listenerMetadata",
      "syscalls",
    ),
  ],
  ["seccomp", "syscalls/*", fields<Oci.SeccompSyscall>()("names", "action", "errnoRet", "args")],
  ["seccomp", "syscalls/*/args/*", fields<Oci.SeccompArg>()("index", "value", "valueTwo", "op")],
  [
    "state",
    "",
    fields<Oci.State>()("ociVersion", "id", "status", "pid", "bundle", "annotations", "rootfs", "created", "owner"),
  ],
  [
    "features",
    "",
    fields<Oci.Features>()(
      "ociVersionMin",
      "ociVersionMax",
      "hooks",
      "mountOptions",
      "linux",
      "annotations",
      "potentiallyUnsafeConfigAnnotations",
    ),
  ],
  [
    "features",
    "linux",
    fields<Oci.LinuxFeatures>()(
      "namespaces",
      "capabilities",
      "cgroup",
      "seccomp",
      "apparmor",
      "selinux",
      "intelRdt",
      "memoryPolicy",
      "mountExtensions",
      "netDevices",
    ),
  ],
  ["features", "linux/cgroup", fields<Oci.CgroupFeatures>()("v1", "v2", "systemd", "systemdUser", "rdma")],
  [
    "features",
    "linux/seccomp",
    fields<Oci.SeccompFeatures>()("enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"),
  ],
  ["features", "linux/apparmor", fields<Oci.EnabledFeature>()("enabled")],
  ["features", "linux/selinux", fields<Oci.EnabledFeature>()("enabled")],
  ["features", "linux/intelRdt", fields<Oci.IntelRdtFeatures>()("enabled", "schemata", "monitoring")],
  ["features", "linux/memoryPolicy", fields<Oci.MemoryPolicyFeatures>()("modes", "flags")],
  ["features", "linux/mountExtensions", fields<Oci.MountExtensionFeatures>()("idmap")],
  ["features", "linux/mountExtensions/idmap", fields<Oci.EnabledFeature>()("enabled")],
  ["features", "linux/netDevices", fields<Oci.EnabledFeature>()("enabled")],
];

/** A schema, and the file that its references are relative to. */
interface Place {
  readonly file: string;
  readonly schema: Schema;
}

function follow({ file, schema }: Place): Place {
  const reference = schema.$ref;
  if (typeof reference !== "string") return { file, schema };
  const [target = "", path = ""] = reference.split("#");
  const next = target === "" ? file : target;
  let found = FILES.get(next) as Schema;
  for (const part of path.split("/").slice(1)) found = found[part] as Schema;
  return follow({ file: next, schema: found });
}

function step(place: Place, part: string): Place {
  const { file, schema } = follow(place);
  const next =
    part === "*" ? (schema.items ?? schema.additionalProperties) : (schema.properties as Schema | undefined)?.[part];
  if (next === undefined) throw new Error(`no schema for ${part}`);
  return follow({ file, schema: next as Schema });
}

function propertyNames(file: string, path: string): string[] {
  const name = `${file}.schema.json`;
  let place: Place = follow({ file: name, schema: FILES.get(name) as Schema });
  for (const part of path.split("/").filter((part) => part !== "")) place = step(place, part);
  return Object.keys((place.schema.properties as Schema | undefined) ?? {}).sort();
}

for (const [file, path, names] of FIELDS) {
  test(`the schema ${file} has the fields of ${path === "" ? "the whole" : path}, and no others`, () => {
    expect(propertyNames(file, path)).toEqual([...names].sort());
  });
}

test("no object of the schemas is left out of the table", () => {
  const known = new Set(FIELDS.map(([, , names]) => [...names].sort().join()));
  const unknown: string[] = [];
  for (const [file, schema] of FILES) {
    visit(schema, (node) => {
      const properties = node.properties;
      if (properties === undefined) return;
      const names = Object.keys(properties as Schema)
        .sort()
        .join();
      if (!known.has(names)) unknown.push(`${file}: ${names}`);
    });
  }
  expect(unknown).toEqual([]);
});

test("the schemas combine nothing, so that one mistake is one problem", () => {
  for (const [, schema] of FILES) {
    visit(schema, (node) => {
      for (const keyword of ["oneOf", "anyOf", "allOf", "not", "if", "dependentSchemas"]) {
        expect(node[keyword]).toBeUndefined();
      }
    });
  }
});

/** Calls `see` for each schema, not for the maps of names between them. */
function visit(schema: Schema, see: (node: Schema) => void): void {
  see(schema);
  for (const map of ["properties", "$defs"]) {
    for (const child of Object.values((schema[map] as Schema | undefined) ?? {})) visit(child as Schema, see);
  }
  for (const one of ["items", "additionalProperties"]) {
    if (typeof schema[one] === "object") visit(schema[one] as Schema, see);
  }
}

test("state: what the specification requires is required", () => {
  const state = { ociVersion: "1.3.0", id: "a", status: "running", pid: 4, bundle: "/b", annotations: { x: "y" } };
  expect(validateState(state)).toBe(true);
  for (const name of ["ociVersion", "id", "status", "bundle"]) {
    expect(validateState({ ...state, [name]: undefined })).toBe(false);
    expect(validateState.errors).toEqual([{ at: "", keyword: "required", wanted: name }]);
  }
  expect(validateState({ ...state, status: "dead" })).toBe(false);
  expect(validateState({ ...state, pid: -1 })).toBe(false);
});

test("features: null means unknown", () => {
  const features = { ociVersionMin: "1.0.0", ociVersionMax: "1.3.0" };
  expect(validateFeatures(features)).toBe(true);
  const linux = { namespaces: null, cgroup: { v1: null, v2: true }, mountExtensions: { idmap: { enabled: true } } };
  expect(validateFeatures({ ...features, hooks: null, annotations: null, linux })).toBe(true);
  expect(validateFeatures({ ...features, hooks: [1], linux: { cgroup: { v1: "yes" } } })).toBe(false);
  expect(validateFeatures.errors?.map(({ at }) => at).sort()).toEqual(["/hooks/0", "/linux/cgroup/v1"]);
});
