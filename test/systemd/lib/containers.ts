/** Containers in scopes of a real systemd, as root in a VM. */
import { expect } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

const RUNTIME = process.env.RUNTIME ?? fileURLToPath(new URL("../../../dist/tsrunc", import.meta.url));

export interface Ran {
  readonly status: number | null;
  readonly error: string;
}

export const DONE: Ran = { status: 0, error: "" };

export function systemctl(...args: string[]): string {
  return execFileSync("systemctl", args, { encoding: "utf8" });
}

/** Properties of a unit as systemctl shows them. */
export function shown(unit: string, names: readonly string[]): Readonly<Record<string, string>> {
  const lines = systemctl("show", unit, "-p", names.join(",")).trim().split("\n");
  const found = new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  return Object.fromEntries(names.map((name) => [name, found.get(name) ?? ""]));
}

/** Containers whose scopes are `t-ID.scope` of a slice. */
export class Containers {
  readonly work = fs.mkdtempSync(path.join(tmpdir(), "tsrunc-systemd-"));
  readonly #slice: string;

  constructor(slice: string) {
    // Of a machine's own systemd nothing is to be reloaded.
    if (!fs.existsSync("/run/vm")) throw new Error("this test runs in a VM: see test/vm/vm-run");
    this.#slice = slice;
  }

  run(...args: string[]): Ran {
    // A container that goes on must not hold a pipe.
    const file = path.join(this.work, "err");
    const err = fs.openSync(file, "w+");
    const { status } = spawnSync(RUNTIME, ["--root", path.join(this.work, "state"), "--systemd-cgroup", ...args], {
      stdio: ["ignore", "ignore", err],
    });
    fs.closeSync(err);
    return { status, error: fs.readFileSync(file, "utf8") };
  }

  /** Makes a container that sleeps, and starts it. */
  create(id: string, resources: object, more: object = {}): void {
    const bundle = path.join(this.work, id);
    for (const name of ["bin", "proc", "dev", "tmp"]) {
      fs.mkdirSync(path.join(bundle, "rootfs", name), { recursive: true });
    }
    const busybox = execFileSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).trim();
    fs.copyFileSync(busybox, path.join(bundle, "rootfs/bin/busybox"));
    const config = {
      ociVersion: "1.2.0",
      root: { path: "rootfs" },
      process: { user: { uid: 0, gid: 0 }, cwd: "/", env: ["PATH=/bin"], args: ["/bin/busybox", "sleep", "100000"] },
      mounts: [
        { destination: "/proc", type: "proc", source: "proc" },
        { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755"] },
      ],
      linux: {
        cgroupsPath: `${this.#slice}:t:${id}`,
        namespaces: [{ type: "pid" }, { type: "mount" }, { type: "cgroup" }],
        resources,
        ...more,
      },
    };
    fs.writeFileSync(path.join(bundle, "config.json"), JSON.stringify(config));
    expect(this.run("run", "-d", "--bundle", bundle, id)).toEqual(DONE);
  }

  update(id: string, resources: object): Ran {
    const file = path.join(this.work, "resources.json");
    fs.writeFileSync(file, JSON.stringify(resources));
    return this.run("update", "--resources", file, id);
  }

  remove(id: string): Ran {
    return this.run("delete", "--force", id);
  }

  /** Whether a device can be opened in a container: `r` for reading, `w` for writing. */
  opens(id: string, node: string): string {
    const can = (words: string) => this.run("exec", id, "/bin/busybox", "sh", "-c", words).status === 0;
    return `${can(`: < ${node}`) ? "r" : ""}${can(`: >> ${node}`) ? "w" : ""}`;
  }
}
