/** process.execCPUAffinity: the CPUs of what exec runs (config.md, "Linux Process"). */
import { readFileSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, given } from "./lib/harness.ts";
import { lacksFile } from "./lib/needs.ts";
import { ProbeResult } from "./lib/probe.ts";

area();

/** What exec's process may run on, with that execCPUAffinity in its own file. */
async function affinityOf(c: Container, affinity: unknown): Promise<readonly number[]> {
  const file = c.file("process.json");
  const process = { user: { uid: 0, gid: 0 }, args: ["/bin/probe", "report"], cwd: "/", execCPUAffinity: affinity };
  writeFileSync(file, JSON.stringify(process));
  const result = await c.verb("exec", `--process=${file}`);
  expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: "" });
  return new ProbeResult(result.stdout).report.affinity;
}

function allowed(pid: number): string {
  return /^Cpus_allowed_list:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

given(lacksFile("/sys/devices/system/cpu/cpu1"), () => {
  check("without execCPUAffinity a process runs on the CPUs of its cgroup", async (t) => {
    const c = t.container();
    await c.up();
    const all = await affinityOf(c, undefined);
    expect(allowed(await c.pid())).not.toBe("0");
    expect(all.length).toBeGreaterThan(1);
    expect(await affinityOf(c, {})).toEqual(all);
    await c.down();
  });

  check("execCPUAffinity.final is what the process runs on", async (t) => {
    const c = t.container();
    await c.up();
    expect(await affinityOf(c, { initial: "0", final: "1" })).toEqual([1]);
    expect(await affinityOf(c, { final: "0" })).toEqual([0]);
    await c.down();
  });
});
