import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cgroupDirectory } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, type Scope } from "./lib/harness.ts";
import { runtime } from "./lib/runtime.ts";

area();

/** A container of three processes. */
async function family(t: Scope): Promise<Container> {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "sleep 1000 & sleep 1001 & echo ready; wait"];
  });
  await c.create();
  await c.start();
  await c.waitForOutput("ready");
  return c;
}

function pidsIn(directory: string): number[] {
  return readFileSync(path.join(directory, "cgroup.procs"), "utf8").trim().split("\n").map(Number);
}

const ascending = (a: number, b: number): number => a - b;

async function jsonPids(c: Container): Promise<number[]> {
  const result = await c.verb("ps", "--format=json");
  expect(result).toMatchObject({ code: 0, stderr: "" });
  // runc prints null for none.
  return ((JSON.parse(result.stdout) as number[] | null) ?? []).sort(ascending);
}

check("ps --format json prints the pids of the container's cgroup, as the host sees them", async (t) => {
  const c = await family(t);
  const pid = await c.pid();
  const pids = await jsonPids(c);
  expect(pids).toHaveLength(3);
  expect(pids).toContain(pid);
  expect(pids).toEqual(pidsIn(cgroupDirectory(pid, "devices")).sort(ascending));
});

check("ps prints the header of ps -ef and the lines of the container's processes, and nothing else", async (t) => {
  const c = await family(t);
  const result = await c.verb("ps");
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const [header = "", ...lines] = result.stdout.trimEnd().split("\n");
  expect(header).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD$/);
  expect(lines.map((line) => Number(line.split(/\s+/)[1])).sort(ascending)).toEqual(await jsonPids(c));
  expect(lines.filter((line) => line.endsWith("sleep 1000"))).toHaveLength(1);
});

check("ps passes further arguments on and finds the column of the pid by its header", async (t) => {
  const c = await family(t);
  const result = await c.verb("ps", "-e", "-o", "ppid,pid,args");
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const [header = "", ...lines] = result.stdout.trimEnd().split("\n");
  expect(header.trim().split(/\s+/)).toEqual(["PPID", "PID", "COMMAND"]);
  expect(lines.map((line) => Number(line.trim().split(/\s+/)[1])).sort(ascending)).toEqual(await jsonPids(c));
  const aux = await c.verb("ps", "aux");
  expect(aux.stdout.split("\n")[0]).toMatch(/^USER +PID +%CPU/);
  expect(aux.stdout.trimEnd().split("\n")).toHaveLength(4);
});

check("ps lists processes in cgroups below the container's", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "sleep 1000 & echo child $!; wait"];
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "pid");
  });
  await c.create();
  await c.start();
  const child = Number((await c.waitForOutput("\n")).split(" ")[1]);
  const below = path.join(cgroupDirectory(await c.pid(), "devices"), "below");
  mkdirSync(below);
  t.cleanup(() => {
    try {
      rmdirSync(below);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  });
  writeFileSync(path.join(below, "cgroup.procs"), String(child));
  expect(await jsonPids(c)).toContain(child);
  await c.delete("--force");
});

check("ps of a created container shows the process that is to become it", async (t) => {
  const c = t.container();
  await c.create();
  expect(await jsonPids(c)).toEqual([await c.pid()]);
});

check("ps of a stopped container shows nothing and succeeds", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  expect(await jsonPids(c)).toEqual([]);
  const table = await c.verb("ps");
  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout).toMatch(/^UID .*\n$/);
});

check("ps fails for options of ps that show no pid or do not exist", async (t) => {
  const c = await family(t);
  const without = await c.verb("ps", "-e", "-o", "args");
  expect(without.code).toBe(1);
  expect(without.stderr).toContain("PID");
  expect((await c.verb("ps", "-e", "-o", "nonsense")).code).toBe(1);
});

check("ps of an unknown container fails", async () => {
  const unknown = await runtime(["ps", "unknown"]);
  expect(unknown).toMatchObject({ code: 1, stdout: "" });
  expect(unknown.stderr).toContain("does not exist");
});
