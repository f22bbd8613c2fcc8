/** Devices whose path is taken already (config-linux.md, "Devices"). */
import { mkdirSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";

area();

const BEFORE: Readonly<Record<string, (c: Container) => void>> = {
  "a regular file": (c) => writeFileSync(c.inside("here"), "text"),
  "a directory": (c) => mkdirSync(c.inside("here")),
};

for (const [what, make] of Object.entries(BEFORE))
  check(`another file at the path of a device is an error: ${what}`, async (t) => {
    const c = t.container((spec, self) => {
      spec.linux.devices = [{ path: "/here", type: "c", major: 1, minor: 3, fileMode: 0o666 }];
      make(self);
    });
    expect((await c.tryCreate()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });
