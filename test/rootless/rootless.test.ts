/** A user without any rights: one id, a user namespace, no cgroup that could be written. Needs root to become that user. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ID = 54321;
const TSRUNC = process.env["RUNTIME"] ?? join(import.meta.dir, "../../dist/tsrunc");
let base = "";

/** As that user, in the bundle; its own copy of the executable, for the checkout may be out of its reach. */
function tsrunc(...args: readonly string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const user = ["--reuid", `${ID}`, "--regid", `${ID}`, "--clear-groups"];
  return spawnSync("setpriv", [...user, join(base, "tsrunc"), ...args], {
    cwd: base,
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "", XDG_RUNTIME_DIR: join(base, "run") },
    timeout: 30_000,
    // What a created container has inherited would keep a pipe open.
    stdio: ["ignore", args[0] === "create" ? "ignore" : "pipe", args[0] === "create" ? "ignore" : "pipe"],
  });
}

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "tsrunc-rootless-"));
  mkdirSync(join(base, "rootfs/bin"), { recursive: true });
  mkdirSync(join(base, "run"), { mode: 0o700 });
  copyFileSync("/bin/busybox", join(base, "rootfs/bin/busybox"));
  symlinkSync("busybox", join(base, "rootfs/bin/sh"));
  copyFileSync(TSRUNC, join(base, "tsrunc"));
  chmodSync(join(base, "tsrunc"), 0o755);
  for (const path of ["", "run", "rootfs", "rootfs/bin"]) chownSync(join(base, path), ID, ID);
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

test("an unprivileged user runs a container in which it is root, and no one else", () => {
  expect(
    tsrunc("spec", "--rootless", "--tty=false", "--", "/bin/sh", "-c", "busybox id -u; cat /proc/self/uid_map; exit 4")
      .status,
  ).toBe(0);
  symlinkSync("busybox", join(base, "rootfs/bin/cat"));
  const { status, stdout, stderr } = tsrunc("run", "mine");
  expect(stderr).toBe("");
  expect(stdout.split(/\s+/)).toEqual(["0", "0", `${ID}`, "1", ""]);
  expect(status).toBe(4);
});

test("its filters are kept for it alone, and not in the root directory", () => {
  const file = join(base, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.linux.seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["swapon"], action: "SCMP_ACT_ERRNO" }],
  };
  writeFileSync(file, JSON.stringify(config));
  const root = join(base, "other");
  for (let i = 0; i < 2; i++) expect(tsrunc("--root", root, "run", "filtered").status).toBe(4);
  expect(readdirSync(root)).toEqual([]);
  const cache = join(base, "run/tsrunc-cache/seccomp");
  const [name = ""] = readdirSync(cache);
  for (const place of [cache, join(cache, name)]) {
    const { uid, mode } = statSync(place);
    expect([uid, mode & 0o077]).toEqual([ID, 0]);
  }
});

test("its containers live below XDG_RUNTIME_DIR, take part in the whole life and leave nothing", () => {
  expect(tsrunc("create", "life").status).toBe(0);
  expect(JSON.parse(tsrunc("state", "life").stdout)).toMatchObject({ status: "created", owner: `#${ID}` });
  expect(tsrunc("start", "life").status).toBe(0);
  expect(tsrunc("delete", "--force", "life").status).toBe(0);
  expect(readdirSync(join(base, "run/tsrunc"))).toEqual([]);
});
