import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";

area();

const LONG = 900_000;

check(
  "two hundred lifecycles one after another leave nothing",
  async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/true"];
      spec.linux.resources = { pids: { limit: 20 } };
    });
    for (let i = 0; i < 200; i++) {
      await c.create();
      await c.start();
      await c.waitForStatus("stopped");
      await c.delete();
    }
    expect(await t.leftNow()).toEqual([]);
  },
  { timeoutMs: LONG },
);

check(
  "two hundred runs in the foreground one after another leave nothing",
  async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "exit", "3"];
    });
    for (let i = 0; i < 200; i++) expect((await c.run()).code).toBe(3);
    expect(await t.leftNow()).toEqual([]);
  },
  { timeoutMs: LONG },
);

check(
  "fifty lifecycles at once all succeed and leave nothing",
  async (t) => {
    const containers = Array.from({ length: 50 }, (_, i) =>
      t.container((spec) => {
        spec.process.args = ["/bin/sh", "-c", `echo number ${i}`];
      }),
    );
    await Promise.all(
      containers.map(async (c, i) => {
        await c.create();
        await c.start();
        await c.waitForOutput(`number ${i}\n`);
        await c.waitForStatus("stopped");
        await c.delete();
      }),
    );
    expect(await t.leftNow()).toEqual([]);
  },
  { timeoutMs: LONG },
);

check(
  "fifty runs in the foreground at once return each its own output and status",
  async (t) => {
    const results = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const c = t.container((spec) => {
          spec.process.args = ["/bin/sh", "-c", `echo ${i}; exit ${i}`];
        });
        const { code, stdout } = await c.run();
        return `${code} ${stdout}`;
      }),
    );
    expect(results).toEqual(results.map((_, i) => `${i} ${i}\n`));
    expect(await t.leftNow()).toEqual([]);
  },
  { timeoutMs: LONG },
);

check(
  "of twenty creates with one id at once exactly one succeeds",
  async (t) => {
    const c = t.container();
    const results = await Promise.all(Array.from({ length: 20 }, () => c.tryCreate()));
    expect(results.filter(({ code }) => code === 0)).toHaveLength(1);
    expect((await c.state()).status).toBe("created");
    await c.start();
    await c.waitForOutput("}\n");
  },
  { timeoutMs: LONG },
);

check(
  "of ten starts at once exactly one succeeds",
  async (t) => {
    const c = t.container((spec) => {
      spec.process.args = ["/bin/probe", "wait"];
    });
    await c.create();
    const results = await Promise.all(Array.from({ length: 10 }, () => c.verb("start")));
    expect(results.filter(({ code }) => code === 0)).toHaveLength(1);
    await c.waitForOutput("ready");
    expect(c.output()).toBe("ready\n");
  },
  { timeoutMs: LONG },
);
