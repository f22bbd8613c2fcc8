/**
 * What `runc spec` and `tsrunc spec` write can be exchanged: each bundle runs the same under both. runc is taken from
 * PATH, tsrunc is `RUNTIME` (dist/tsrunc when unset).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountEntries, ProbeResult, type Report } from "../../conformance/lib/probe.ts";
import type { Spec } from "../../conformance/lib/spec.ts";
import { makeRootfs, removeWorkspace } from "../../conformance/lib/workspace.ts";

const ROOT = join(import.meta.dir, "../..");
const COMMANDS = {
  runc: ["runc"],
  tsrunc: (process.env.RUNTIME ?? join(ROOT, "dist/tsrunc")).split(" "),
} as const;
type Name = keyof typeof COMMANDS;
const NAMES: readonly Name[] = ["runc", "tsrunc"];
const FLAGS: readonly (readonly string[])[] = [[], ["--rootless"]];
const TIMEOUT_MS = 60_000;

let directory = "";
let count = 0;

beforeAll(() => {
  directory = mkdtempSync("/tmp/tsrunc-interchange-");
  chmodSync(directory, 0o755);
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
  removeWorkspace();
});

function words(name: Name, ...args: readonly string[]): readonly [string, ...string[]] {
  const [command, ...rest] = COMMANDS[name];
  return [command ?? name, ...rest, "--root", join(directory, `${name}.state`), ...args];
}

/** Runs a command to its end. Not for `create`: a container that keeps the pipes open would keep this waiting. */
function call(name: Name, ...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const [command, ...rest] = words(name, ...args);
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: "utf8", timeout: TIMEOUT_MS });
  return { status, stdout, stderr };
}

/** A bundle with the configuration that a runtime's `spec` writes. */
function bundleOf(maker: Name, flags: readonly string[]): string {
  const bundle = join(directory, `bundle-${++count}`);
  mkdirSync(bundle, { mode: 0o755 });
  makeRootfs(join(bundle, "rootfs"));
  expect(call(maker, "spec", "--bundle", bundle, ...flags)).toMatchObject({ status: 0, stderr: "" });
  return bundle;
}

function readSpec(bundle: string): Spec {
  return JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")) as Spec;
}

function withoutTerminal(bundle: string, ...args: readonly string[]): void {
  const spec = readSpec(bundle);
  const changed = { ...spec, process: { ...spec.process, terminal: false, args } };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(changed));
}

/**
 * What must not depend on who runs the bundle: all but times, names and numbers that are given out, the host's side of
 * stdio, and three choices of ours. We mask with an empty file system that is nosuid, nodev and noexec, and with the
 * host's null device; we keep to `ro` for the directory that v1's hierarchies are mounted in; we deny setgroups where a
 * gid map has one id only.
 */
function comparable(report: Report, spec: Spec): unknown {
  const { boottime: _boottime, monotonic: _monotonic, namespaces: _namespaces, cgroup: _cgroup, ...rest } = report;
  const { sessionKeyring: _number, keyringDescription: _name, setgroups: _setgroups, ...facts } = rest;
  const ours = new Set([...(spec.linux.maskedPaths ?? []), "/sys/fs/cgroup"]);
  const changing = /^(Vm|Rss|Hugetlb|voluntary|nonvoluntary|NSpid|SigQ|Cpus_allowed|Speculation)/;
  const mounts = mountEntries(report.mounts).map(({ target, type, options, propagation }) => {
    if (ours.has(target)) return target;
    const peers = propagation.map((word) => word.replace(/\d+/, "N"));
    return [target, type, ...[...options].sort(), ...peers].join(" ");
  });
  return {
    ...facts,
    fds: facts.fds.map(({ fd, cloexec }) => ({ fd, cloexec })),
    status: facts.status.filter((line) => !changing.test(line)),
    mounts: mounts.sort(),
  };
}

function reportUnder(name: Name, bundle: string): unknown {
  const done = call(name, "run", "--bundle", bundle, `interchange-${process.pid}-${++count}`);
  expect(done).toMatchObject({ status: 0, stderr: "" });
  return comparable(new ProbeResult(done.stdout).report, readSpec(bundle));
}

/** What a user sees who types `input` into the container's terminal, and the exit status. */
async function session(name: Name, bundle: string, input: string): Promise<{ status: number; shown: string }> {
  const id = `interchange-${process.pid}-${++count}`;
  const line = words(name, "run", "--bundle", bundle, id)
    .map((word) => `'${word}'`)
    .join(" ");
  const child = spawn("script", ["-qec", line, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  child.stdout.on("data", (data: Buffer) => {
    shown += data.toString();
    if (shown.includes("/ # ") && child.stdin.writable) child.stdin.end(input);
  });
  const status = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  return { status, shown };
}

/** The states a container goes through, as `state` tells them. */
function life(name: Name, bundle: string): unknown[] {
  const id = `interchange-${process.pid}-${++count}`;
  const pidFile = join(bundle, "pid");
  const [command, ...rest] = words(name, "create", "--bundle", bundle, "--pid-file", pidFile, id);
  const seen: unknown[] = [spawnSync(command, rest, { stdio: "ignore", timeout: TIMEOUT_MS }).status];
  const look = (): { status: string; pid: number } => {
    const { stdout } = call(name, "state", id);
    const { id: told, status, pid, bundle: where } = JSON.parse(stdout);
    seen.push({ own: told === id, status, running: pid > 0, isPidFile: pid === Number(readFileSync(pidFile)), where });
    return { status, pid };
  };
  try {
    look();
    seen.push(call(name, "start", id).status);
    look();
    seen.push(call(name, "kill", id, "KILL").status);
    const end = Date.now() + TIMEOUT_MS;
    while (JSON.parse(call(name, "state", id).stdout).status !== "stopped" && Date.now() < end) Bun.sleepSync(10);
    look();
    seen.push(call(name, "delete", id).status, call(name, "state", id).status);
  } finally {
    call(name, "delete", "--force", id);
  }
  return seen;
}

function essence(bundle: string): unknown {
  const { ociVersion: _version, hostname: _name, ...spec } = readSpec(bundle);
  // runc gave its default process ambient capabilities before 1.2.
  const { ambient: _ambient, ...capabilities } = spec.process.capabilities ?? {};
  return { ...spec, process: { ...spec.process, capabilities } };
}

for (const flags of FLAGS) {
  const option = ["spec", ...flags].join(" ");

  test(`\`${option}\` writes the same configuration`, () => {
    expect(essence(bundleOf("tsrunc", flags))).toEqual(essence(bundleOf("runc", flags)));
  });

  describe.each([...NAMES])(`the bundle of \`%s ${option}\` under both`, (maker) => {
    test("unchanged, with a shell on a terminal", async () => {
      const bundle = bundleOf(maker, flags);
      // All of /dev but `core`: runc makes that link on kernels with /proc/kcore, and the specification has none.
      const input =
        "id; tty; hostname; stat -c %n:%a:%t:%T /dev/[!c]* /dev/console; ls /proc/self/fd; echo x >/x; exit 7\n";
      const [one, two] = [await session("runc", bundle, input), await session("tsrunc", bundle, input)];
      expect(two).toEqual(one);
      expect(one.status).toBe(7);
      expect(one.shown).toContain(`\n${readSpec(bundle).hostname}\r`);
      expect(one.shown).toContain("uid=0(root)");
      expect(one.shown).toContain("Read-only file system");
    }, 120_000);

    test("as a program that tells all it sees", () => {
      const bundle = bundleOf(maker, flags);
      withoutTerminal(bundle, "/bin/probe", "report");
      expect(reportUnder("tsrunc", bundle)).toEqual(reportUnder("runc", bundle));
    });

    test("from create to delete", () => {
      const bundle = bundleOf(maker, flags);
      withoutTerminal(bundle, "/bin/sleep", "1000");
      const seen = life("tsrunc", bundle);
      expect(seen).toEqual(life("runc", bundle));
      expect(JSON.stringify(seen)).toMatch(/created.*running.*stopped/);
    });
  });
}
