/** linux.intelRdt where there is no resctrl file system (config-linux.md, "IntelRdt"). */
import { readFileSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check, given } from "./lib/harness.ts";

area();

const mounted = / resctrl /.test(readFileSync("/proc/mounts", "utf8"));

given(mounted ? "a machine without a resctrl file system" : undefined, () => {
  for (const [what, intelRdt] of Object.entries({
    "a closID": { closID: "group" },
    "an L3 schema": { l3CacheSchema: "L3:0=f" },
    nothing: {},
  }))
    check(`intelRdt without a resctrl file system is refused: with ${what}`, async (t) => {
      const c = t.container((spec) => {
        spec.linux.intelRdt = intelRdt;
      });
      expect((await c.tryCreate()).code).not.toBe(0);
      expect(await t.leftNow()).toEqual([]);
    });
});

for (const [what, intelRdt] of Object.entries({
  "memBwSchema that does not begin with MB:": { memBwSchema: "XB:0=20" },
  "memBwSchema with a newline": { memBwSchema: "MB:0=20\nMB:1=30" },
  "schemata with a newline": { schemata: ["L3:0=f\nMB:0=20"] },
}))
  check(`${what} is refused`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.intelRdt = intelRdt;
    });
    expect((await c.tryCreate()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });
