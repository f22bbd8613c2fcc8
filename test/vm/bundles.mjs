/** Writes the bundles that life.sh takes through their lives: `node bundles.mjs DIRECTORY`. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TSRUNC = join(dirname(fileURLToPath(import.meta.url)), "../../dist/tsrunc");
const [out = ""] = process.argv.slice(2);

/** What `tsrunc spec` writes on this machine, with the cgroup mount of the other. */
function baseSpec() {
  execFileSync(TSRUNC, ["spec", "--bundle", out, "--tty=false", "--hostname", "box"]);
  const file = join(out, "config.json");
  const spec = JSON.parse(readFileSync(file, "utf8"));
  rmSync(file);
  const mounts = spec.mounts.filter(({ type }) => type !== "cgroup" && type !== "cgroup2");
  const namespaces = spec.linux.namespaces.filter(({ type }) => type !== "cgroup");
  return {
    ...spec,
    root: { path: "/rootfs", readonly: true },
    mounts: [...mounts, { destination: "/tmp", type: "tmpfs", source: "tmpfs" }],
    linux: { ...spec.linux, namespaces },
  };
}

const base = baseSpec();
const capabilities = (...names) =>
  Object.fromEntries(["bounding", "effective", "permitted"].map((set) => [set, ["CAP_KILL", ...names]]));
const bundle = (id, args, process = {}, linux = {}, rest = {}) => ({
  ...base,
  process: { ...base.process, args, ...process },
  linux: { ...base.linux, cgroupsPath: `/${id}`, ...linux },
  ...rest,
});
const SLEEP = ["/bin/sleep", "1000"];

const resources = {
  memory: { limit: 64 << 20 },
  pids: { limit: 20 },
  cpu: { quota: 50_000, period: 100_000, shares: 512 },
  devices: [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", major: 1, minor: 1, access: "m" },
  ],
};
const mapping = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const denied = (names, errnoRet, args) => ({ names, action: "SCMP_ACT_ERRNO", errnoRet, ...(args ? { args } : {}) });
const seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [
    denied(["mkdir", "mkdirat"], 1),
    denied(["kill", "tgkill"], 13, [{ index: 1, value: 10, op: "SCMP_CMP_EQ" }]),
    denied(["ftruncate"], 13, [{ index: 1, value: 4_294_967_296, op: "SCMP_CMP_GE" }]),
  ],
};

const BUNDLES = {
  plain: bundle("one", SLEEP, { capabilities: capabilities("CAP_MKNOD") }, { resources }),
  run: bundle("two", ["/bin/sh", "-c", "echo hello from $(hostname); exit 3"]),
  missing: bundle("three", ["/bin/nothing"]),
  mount: bundle("three", SLEEP, {}, {}, { mounts: [...base.mounts, { destination: "/x", type: "nofs", source: "x" }] }),
  user: bundle(
    "four",
    SLEEP,
    {},
    {
      namespaces: [...base.linux.namespaces, { type: "user" }],
      uidMappings: mapping,
      gidMappings: mapping,
    },
  ),
  filter: bundle("five", SLEEP, {}, { seccomp }),
};

for (const [name, spec] of Object.entries(BUNDLES)) {
  mkdirSync(join(out, name), { recursive: true });
  writeFileSync(join(out, name, "config.json"), JSON.stringify(spec));
}
