/** process.capabilities: what is asked for and what can be had (config.md, "Linux Process"). */
import { writeFileSync } from "node:fs";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { ProbeResult } from "./lib/probe.ts";
import type { Spec } from "./lib/spec.ts";

area();

type Sets = NonNullable<Spec["process"]["capabilities"]>;

const KILL = 1n << 5n;
const SYS_TIME = 1n << 25n;
const ALL = ["CAP_KILL", "CAP_SYS_TIME"];

function mask(text: string | undefined): bigint {
  return BigInt(`0x${text ?? "0"}`);
}

for (const [what, sets] of [
  ["effective", { bounding: ["CAP_KILL"], permitted: [], effective: ["CAP_KILL"] }],
  ["inheritable", { bounding: [], permitted: ["CAP_KILL"], inheritable: ["CAP_KILL"] }],
  ["ambient", { bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], inheritable: [], ambient: ["CAP_KILL"] }],
] satisfies readonly [keyof Sets, Sets][]) {
  check(`a capability that cannot be ${what} for want of another set is a warning, and no failure`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid: 1000, gid: 1000 };
      spec.process.capabilities = sets;
      spec.process.args = ["/bin/probe", "report"];
    });
    const result = await c.run();
    expect(result.code).toBe(0);
    expect(result.stderr).toContain(`/process/capabilities/${what}`);
    expect(result.stderr).toContain("CAP_KILL");
    const { report } = await c.probe("report");
    expect(mask(report.caps[what])).toBe(0n);
  });
}

check("a capability that the runtime does not have is a warning, and no failure", async (t) => {
  const c = t.container((spec) => {
    spec.process.capabilities = { bounding: ALL, permitted: ALL, effective: ALL, inheritable: ALL };
  });
  const wrap = ["setpriv", "--bounding-set", "-sys_time"];
  c.spec.process.args = ["/bin/probe", "report"];
  const result = await c.run({ wrap });
  expect(result.code).toBe(0);
  expect(result.stderr).toContain("not granted on this host: CAP_SYS_TIME");
  const { report } = new ProbeResult(result.stdout);
  expect(mask(report.caps.bounding) & (KILL | SYS_TIME)).toBe(KILL);
  expect(mask(report.caps.effective) & (KILL | SYS_TIME)).toBe(KILL);
});

check("what an exec's process file asks for in vain is a warning too", async (t) => {
  const c = t.container();
  await c.up();
  const file = c.file("process.json");
  const process = { user: { uid: 0, gid: 0 }, args: ["/bin/true"], cwd: "/", capabilities: { ambient: ["CAP_NOPE"] } };
  writeFileSync(file, JSON.stringify(process));
  const result = await c.verb("exec", `--process=${file}`);
  expect(result.code).toBe(0);
  expect(result.stderr).toContain("CAP_NOPE");
  await c.down();
});
