import { describe, expect, test } from "bun:test";
import { resctrlMount } from "../../src/resctrl/mount.ts";
import { planResctrl, removeResctrlOps } from "../../src/resctrl/plan.ts";
import { schemaConflict } from "../../src/resctrl/schemata.ts";
import { updateResctrlOps } from "../../src/resctrl/update.ts";
import type { IntelRdt } from "../../src/spec/types.ts";
import { fakeHost } from "../cgroups/fake-host.ts";

const MOUNT = "/sys/fs/resctrl";
const HELD = "    MB:0= 30;1=100\n    L3:0=7f0;1=1f\n";

function table(...lines: readonly string[]) {
  const text = ["30 1 0:28 / /sys rw - sysfs sysfs rw", ...lines, ""].join("\n");
  return fakeHost({ "/proc/self/mountinfo": text });
}

describe("the mount point", () => {
  test("is that of the mount table, not a name", () => {
    expect(resctrlMount(table())).toBeUndefined();
    expect(resctrlMount(table("40 30 0:40 / /mnt/r\\040dt rw shared:4 - resctrl resctrl rw,mba_MBps"))).toBe(
      "/mnt/r dt",
    );
  });

  test("is the usual one where there are several, and never a part of the hierarchy", () => {
    const part = "41 30 0:40 /gold /mnt/gold rw - resctrl resctrl rw";
    expect(resctrlMount(table(part))).toBeUndefined();
    const other = "42 30 0:40 / /mnt/other rw - resctrl resctrl rw";
    expect(resctrlMount(table(part, other, `43 30 0:40 / ${MOUNT} rw - resctrl resctrl rw`))).toBe(MOUNT);
    expect(resctrlMount(table(part, other))).toBe("/mnt/other");
  });

  test("is no mount that merely is named so", () => {
    expect(resctrlMount(table("44 30 0:40 / /sys/fs/resctrl rw - tmpfs resctrl rw"))).toBeUndefined();
  });
});

describe("schemata of a group that is there", () => {
  test.each([
    ["L3:0=7f0;1=1f", undefined],
    ["L3:1=01F;0=7F0", undefined],
    ["L3:1=1f", undefined],
    ["L3:0=7f1", "L3:0=7f0"],
    ["L3:2=1", "L3:2=(none)"],
    ["L2:0=f", "L2:0=(none)"],
    ["MB:0=30", undefined],
    ["MB:0=21", undefined],
    ["MB:0=20", "MB:0=30"],
    ["MB:1=30", "MB:1=100"],
    ["L3:0=7f0;1=1f\nMB:0=40", "MB:0=30"],
    ["", undefined],
  ])("%j", (wanted, conflict) => {
    expect(schemaConflict(wanted, HELD, 10)).toBe(conflict);
  });

  test("without a granularity a bandwidth is as it is", () => {
    expect(schemaConflict("MB:0=21", HELD, undefined)).toBe("MB:0=30");
  });
});

describe("the plan", () => {
  const plan = (rdt: IntelRdt, files: Readonly<Record<string, string>> = {}) =>
    planResctrl({ rdt, id: "box", mount: MOUNT, host: fakeHost(files) });

  test("empty strings and lists are as good as absent", () => {
    const { prepare, record } = plan({ closID: "", l3CacheSchema: "", memBwSchema: "", schemata: [] });
    expect(prepare).toMatchObject([{ op: "mkdir", path: `${MOUNT}/box`, existOk: false }]);
    expect(record).toEqual({ groups: [`${MOUNT}/box`], made: [{ path: `${MOUNT}/box` }] });
  });

  test("what looks like the pid's marker in a line stands for itself", () => {
    const { prepare } = plan({ schemata: ["L3:\u0001p"] });
    expect(prepare[1]).toMatchObject({ op: "write", text: "L3:\u0001\u0001p\n" });
  });

  test("a group named by closID is taken away only while nobody is in it, and only by a failing create", () => {
    const { creating, record } = plan({ closID: "gold", schemata: ["L3:0=f"], enableMonitoring: true });
    const [monitor, group] = [`${MOUNT}/gold/mon_groups/box`, `${MOUNT}/gold`];
    expect(removeResctrlOps(creating)).toMatchObject([
      { op: "rmdir", path: monitor, unless: undefined },
      { op: "rmdir", path: group, unless: `${group}/tasks` },
    ]);
    expect(removeResctrlOps(record)).toMatchObject([{ op: "rmdir", path: monitor }]);
  });

  test("schemata that were there are written back after a failure", () => {
    const files = { [`${MOUNT}/gold/tasks`]: "", [`${MOUNT}/gold/schemata`]: HELD };
    expect(plan({ closID: "gold", schemata: ["L3:0=f"] }, files).restore).toMatchObject([
      { op: "write", path: `${MOUNT}/gold/schemata`, text: HELD, quiet: true },
    ]);
    expect(plan({ closID: "gold" }, files).restore).toEqual([]);
  });
});

test("update needs what it changes, and a group", () => {
  const mount = { "/proc/self/mountinfo": `43 30 0:40 / ${MOUNT} rw - resctrl resctrl rw\n` };
  const host = fakeHost({ ...mount, [`${MOUNT}/info/L3/cbm_mask`]: "fff\n" });
  const record = { groups: [`${MOUNT}/box`, `${MOUNT}/box/mon_groups/box`], made: [] };
  expect(updateResctrlOps({}, record, host)).toEqual([]);
  expect(updateResctrlOps({ l3CacheSchema: "L3:0=f" }, record, host)).toMatchObject([
    { op: "write", path: `${MOUNT}/box/schemata`, text: "L3:0=f\n" },
  ]);
  expect(() => updateResctrlOps({ memBwSchema: "MB:0=20" }, record, host)).toThrow("Intel RDT/MBA");
  expect(() => updateResctrlOps({ l3CacheSchema: "L3:0=f" }, undefined, host)).toThrow("in no group");
});
