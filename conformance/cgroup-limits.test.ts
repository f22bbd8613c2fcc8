/** What resources do to the program, and which are refused. */
import { readFileSync } from "node:fs";
import { readControl } from "./lib/cgroup.ts";
import { expect } from "./lib/expect.ts";
import { area, check, given } from "./lib/harness.ts";
import { lacksAny, lacksController, lacksFile } from "./lib/needs.ts";

area();

const MB = 1 << 20;

given(lacksController("memory"), () => {
  check("a program that exceeds its memory limit is killed, and the status is 137", async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "eat", String(256 * MB)];
      spec.linux.resources = { memory: { limit: 24 * MB, swap: 24 * MB } };
    });
    const result = await c.run();
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 137, stdout: "" });
    expect(await t.leftNow()).toEqual([]);
  });
});

given(lacksController("memory"), () => {
  check("a program within its memory limit is left alone", async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "eat", String(16 * MB)];
      spec.linux.resources = { memory: { limit: 64 * MB, swap: 64 * MB } };
    });
    expect(await c.run()).toMatchObject({ code: 0, stdout: "eaten\n" });
  });
});

given(lacksController("cpu"), () => {
  check("a busy loop gets the CPU time of its quota and no more", async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "spin", "2000"];
      spec.linux.resources = { cpu: { quota: 20_000, period: 100_000 } };
    });
    const { cpu, wall } = JSON.parse((await c.run()).stdout) as { cpu: number; wall: number };
    expect(cpu / wall).toBeLessThan(0.35);
    expect(cpu).toBeGreaterThan(20);
  });
});

given(lacksController("pids"), () => {
  check("forks beyond pids.limit fail with EAGAIN", async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "forks", "100"];
      spec.linux.resources = { pids: { limit: 10 } };
    });
    const { started, error } = JSON.parse((await c.run()).stdout) as { started: number; error: string };
    expect({ started, error }).toEqual({ started: 9, error: "EAGAIN" });
  });
});

given(lacksController("pids"), () => {
  check("pids.limit 0 is a limit: no further process can be made", async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "forks", "3"];
      spec.linux.resources = { pids: { limit: 0 } };
    });
    const { started, error } = JSON.parse((await c.run()).stdout) as { started: number; error: string };
    expect({ started, error }).toEqual({ started: 0, error: "EAGAIN" });
  });
});

given(lacksController("cpuset"), () => {
  check("the program runs on the CPUs of cpuset only", async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = { cpu: { cpus: "0" } };
    });
    expect((await c.probe("report")).report.affinity).toEqual([0]);
  });
});

given(lacksAny(lacksFile("/sys/devices/system/node/node1"), lacksController("cpuset")), () => {
  check("the program and what exec adds have the memory nodes of cpuset only", async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = { cpu: { mems: "1" } };
    });
    await c.up();
    const allowed = /^Mems_allowed_list:\t1$/m;
    expect(readFileSync(`/proc/${await c.pid()}/status`, "utf8")).toMatch(allowed);
    expect((await c.verb("exec", "/bin/cat", "/proc/self/status")).stdout).toMatch(allowed);
    await c.down();
  });
});

for (const [what, resources] of [
  ["a negative memory limit", { memory: { limit: -5 } }],
  ["cpuset cpus that do not exist", { cpu: { cpus: "4000-4001" } }],
  ["cpu.quota below the kernel's least", { cpu: { quota: 1, period: 100_000 } }],
] as const)
  check(`${what} is refused and leaves nothing`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = resources;
    });
    const result = await c.tryCreate();
    expect(result.code).not.toBe(0);
    expect(result.stderr).not.toBe("");
    expect(await t.leftNow()).toEqual([]);
  });

check("limits hold before the program's first instruction", async (t) => {
  const c = t.container((spec) => {
    spec.linux.resources = { pids: { limit: 13 } };
  });
  await c.create();
  const pid = await c.pid();
  expect(readControl(pid, "pids", "pids.max")).toBe("13");
  expect(readControl(pid, "pids", "cgroup.procs")).toBe(String(pid));
});
