/** SCMP_ACT_NOTIFY without any rights: one id, and no call that needs CAP_SYS_PTRACE. Needs root to become that user. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { agentProgram } from "../../conformance/lib/workspace.ts";

const ID = 54322;
const USER = ["--reuid", `${ID}`, "--regid", `${ID}`, "--clear-groups"];
const TSRUNC = process.env.RUNTIME ?? path.join(import.meta.dir, "../../dist/tsrunc");
let base = "";

beforeAll(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-rootless-notify-"));
  fs.mkdirSync(path.join(base, "rootfs/bin"), { recursive: true });
  fs.mkdirSync(path.join(base, "rootfs/proc"));
  fs.mkdirSync(path.join(base, "run"), { mode: 0o700 });
  fs.copyFileSync("/bin/busybox", path.join(base, "rootfs/bin/busybox"));
  // Copies, for the originals may be out of that user's reach.
  for (const [from, to] of [
    [TSRUNC, "tsrunc"],
    [agentProgram(), "agent"],
  ] as const) {
    fs.copyFileSync(from, path.join(base, to));
    fs.chmodSync(path.join(base, to), 0o755);
  }
  for (const name of ["", "run", "rootfs", "rootfs/bin", "rootfs/proc"]) fs.chownSync(path.join(base, name), ID, ID);
});

afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

function writeConfig(noNewPrivileges: boolean): void {
  const map = [{ containerID: 0, hostID: ID, size: 1 }];
  const config = {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: {
      user: { uid: 0, gid: 0 },
      cwd: "/",
      env: ["PATH=/bin"],
      noNewPrivileges,
      args: ["/bin/busybox", "mkdir", "/made"],
    },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: {
      namespaces: [{ type: "user" }, { type: "pid" }, { type: "mount" }],
      uidMappings: map,
      gidMappings: map,
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: path.join(base, "agent.sock"),
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
      },
    },
  };
  fs.writeFileSync(path.join(base, "config.json"), JSON.stringify(config));
}

async function startAgent(): Promise<ChildProcess> {
  fs.rmSync(path.join(base, "agent.sock"), { force: true });
  const command = [path.join(base, "agent"), path.join(base, "agent.sock"), "mkdir=errno:28", "mkdirat=errno:28"];
  const agent = spawn("setpriv", [...USER, ...command], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => agent.stdout?.once("data", resolve));
  return agent;
}

for (const noNewPrivileges of [false, true]) {
  test(`an agent answers the container of a user without rights, noNewPrivileges ${noNewPrivileges}`, async () => {
    writeConfig(noNewPrivileges);
    const agent = await startAgent();
    const { status, stderr } = spawnSync("setpriv", [...USER, path.join(base, "tsrunc"), "run", "notified"], {
      cwd: base,
      encoding: "utf8",
      env: { PATH: process.env.PATH ?? "", XDG_RUNTIME_DIR: path.join(base, "run") },
      timeout: 30_000,
    });
    const ended = new Promise((resolve) => agent.once("exit", resolve));
    agent.kill("SIGKILL");
    await ended;
    expect(stderr).toBe("mkdir: can't create directory '/made': No space left on device\n");
    expect(status).toBe(1);
    expect(fs.existsSync(path.join(base, "rootfs/made"))).toBe(false);
    expect(fs.readdirSync(path.join(base, "run/tsrunc")).filter((name) => !name.includes("~"))).toEqual([]);
  });
}
