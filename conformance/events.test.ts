import { readFileSync } from "node:fs";
import { readControl } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given, type Scope } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { lacksAny, lacksCgroup, lacksController } from "./lib/needs.ts";
import { type Running, runtime, startRuntime, until } from "./lib/runtime.ts";

area();

const V2 = cgroupVersion() === 2;
const MB = 1 << 20;

interface Stats {
  readonly cpu: { readonly usage: { readonly total: number } };
  readonly memory: { readonly usage: { readonly limit: number; readonly usage: number }; readonly raw: object };
  readonly pids: { readonly current: number; readonly limit: number };
}

interface Event {
  readonly type: string;
  readonly id: string;
  readonly data?: Stats;
}

function eventsOf(text: string): Event[] {
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Event]));
}

/** A running container with limits on memory and processes. */
async function limited(t: Scope, script?: string): Promise<Container> {
  const c = t.container((spec) => {
    spec.linux.resources = { memory: { limit: 32 * MB, swap: 32 * MB }, pids: { limit: 77 } };
  });
  if (script === undefined) {
    await c.up();
    return c;
  }
  c.spec.process.args = ["/bin/sh", "-c", script];
  await c.create();
  await c.start();
  return c;
}

/** `events` under way; it is ended with the test. */
function listen(t: Scope, c: Container, ...flags: string[]): Running {
  const running = startRuntime(["events", ...flags, c.id]);
  t.cleanup(() => {
    running.child.kill("SIGKILL");
  });
  return running;
}

given(lacksController("memory", "pids"), () => {
  check("events --stats prints one line with what the kernel counts, keys in runc's order", async (t) => {
    const c = await limited(t);
    const result = await c.verb("events", "--stats");
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(/^[^\n]+\n$/);
    expect(result.stdout.startsWith(`{"type":"stats","id":"${c.id}","data":{"cpu":{`)).toBe(true);
    const { data } = JSON.parse(result.stdout) as { data: Stats };
    expect(Object.keys(data).join()).toBe("cpu,cpuset,memory,pids,blkio,hugetlb,intel_rdt,network_interfaces");
    expect(data.memory.usage.limit).toBe(32 * MB);
    expect(data.memory.usage.usage).toBeGreaterThan(0);
    expect(data.pids).toEqual({ current: 1, limit: 77 });
    expect(data.cpu.usage.total).toBeGreaterThan(0);
    expect(Object.keys(data.memory.raw)).toEqual(statNames(await c.pid()));
  });

  check("events --stats keeps all digits of numbers above 2^53", async (t) => {
    const c = t.container();
    await c.up();
    const { stdout } = await c.verb("events", "--stats");
    const limit = V2 ? "18446744073709551615" : readControl(await c.pid(), "memory", "memory.limit_in_bytes");
    expect(limit.length).toBeGreaterThan(17);
    expect(stdout).toContain(`"usage":{"limit":${limit},`);
  });

  check("events prints statistics at each interval until the container is deleted", async (t) => {
    const c = await limited(t);
    const { stdoutFile, result } = listen(t, c, "--interval", "100ms");
    await until("three lines", () => eventsOf(whole(stdoutFile)).length >= 3);
    await c.down();
    const { code, stdout } = await result;
    expect(code).toBe(0);
    expect(new Set(eventsOf(stdout).map(({ type, id }) => `${type} ${id}`))).toEqual(new Set([`stats ${c.id}`]));
  });

  checkTsrunc("events ends when the container's process ends, with nothing on stderr", async (t) => {
    const c = await limited(t);
    const { stdoutFile, result } = listen(t, c, "--interval", "100ms");
    await until("a line", () => eventsOf(whole(stdoutFile)).length > 0);
    await c.kill("KILL");
    expect(await result).toMatchObject({ code: 0, stderr: "" });
  });

  checkTsrunc("events uses next to no CPU time while nothing happens", async (t) => {
    const c = await limited(t);
    const { child } = listen(t, c, "--interval", "1h");
    const ticks = () => {
      const stat = readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
      return Number(stat[11]) + Number(stat[12]);
    };
    // One quiet second of twenty: how long its start takes is no matter, and where the machine is emulated it is long.
    for (let used = 100, tries = 0; used > 15; tries++) {
      expect(tries).toBeLessThan(20);
      const before = ticks();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      used = ticks() - before;
    }
  });

  check("events tells when the OOM killer strikes, each time", async (t) => {
    const eat = "dd if=/dev/zero of=/dev/null bs=100M count=1";
    const c = await limited(
      t,
      `trap 'kill $!; ${eat}; echo eaten' USR1; echo ready; while :; do sleep 1000 & wait; done`,
    );
    await c.waitForOutput("ready");
    const { stdoutFile } = listen(t, c, "--interval", "100ms");
    const oom = () => eventsOf(whole(stdoutFile)).filter(({ type }) => type === "oom").length;
    await until("statistics", () => whole(stdoutFile).length > 0);
    expect(oom()).toBe(0);
    for (let strikes = 1; strikes <= 2; strikes++) {
      await c.kill("USR1");
      await until("the end of a process", () => c.output().split("eaten").length > strikes);
      await until(`${strikes} OOM events`, () => oom() >= strikes);
    }
    expect(whole(stdoutFile)).toContain(`{"type":"oom","id":"${c.id}"}\n`);
    expect((await c.state()).status).toBe("running");
  });

  checkTsrunc("events tells of the OOM that ends the container", async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = { memory: { limit: 32 * MB, swap: 32 * MB } };
      spec.process.args = [
        "/bin/sh",
        "-c",
        "trap 'exec dd if=/dev/zero of=/dev/null bs=100M count=1' USR1; echo ready; sleep 1000 & wait",
      ];
    });
    await c.create();
    await c.start();
    await c.waitForOutput("ready");
    const { result, child } = listen(t, c, "--interval", "1h");
    await until("events to be under way", () => sleeping(child.pid ?? 0));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await c.kill("USR1");
    expect(await result).toMatchObject({ code: 0, stdout: `{"type":"oom","id":"${c.id}"}\n` });
  });
});

given(lacksAny(lacksCgroup(1), lacksController("memory")), () => {
  for (const strikes of [1, 0])
    checkTsrunc(`events of a container that is gone before it could look, after ${strikes} OOM kills`, async (t) => {
      const end = strikes === 1 ? "exec dd if=/dev/zero of=/dev/null bs=100M count=1" : "exit 0";
      const c = await limited(t, `trap '${end}' USR1; echo ready; sleep 1000 & wait`);
      await c.waitForOutput("ready");
      const { result, child } = listen(t, c, "--interval", "1h");
      await until("events to be under way", () => sleeping(child.pid ?? 0));
      await new Promise((resolve) => setTimeout(resolve, 500));
      child.kill("SIGSTOP");
      await c.kill("USR1");
      await c.waitForStatus("stopped");
      await c.delete();
      child.kill("SIGCONT");
      const line = `{"type":"oom","id":"${c.id}"}\n`;
      expect(await result).toMatchObject({ code: 0, stderr: "", stdout: line.repeat(strikes) });
    });
});

check("events of a created container works, of a stopped and of an unknown one it is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  expect((await c.verb("events", "--stats")).code).toBe(0);
  await c.start();
  await c.waitForStatus("stopped");
  for (const flags of [["--stats"], []]) {
    const refused = await c.verb("events", ...flags);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("is not running");
  }
  expect((await runtime(["events", "unknown"])).stderr).toContain("does not exist");
});

check("events refuses an interval that is none", async (t) => {
  const c = t.container();
  await c.up();
  for (const interval of ["0s", "-1s", "5", "soon"]) {
    const refused = await c.verb("events", `--interval=${interval}`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("interval");
  }
});

/** Complete lines of a file that is being written. */
function whole(file: string): string {
  const text = readFileSync(file, "utf8");
  return text.slice(0, text.lastIndexOf("\n") + 1);
}

function sleeping(pid: number): boolean {
  return readFileSync(`/proc/${pid}/stat`, "latin1").includes(") S ");
}

function statNames(pid: number): string[] {
  const words = readControl(pid, "memory", "memory.stat").split(" ");
  return words.filter((_, i) => i % 2 === 0).sort();
}
