import { expect, test } from "bun:test";
import { deviceListOps } from "../../src/cgroups/device-list.ts";
import { deviceProgram } from "../../src/cgroups/device-program.ts";
import { ALL, devicePolicy, MKNOD, READ, WRITE } from "../../src/cgroups/device-rules.ts";
import type { DeviceRule } from "../../src/spec/types.ts";
import { allReachable, runDeviceProgram } from "./device-emulator.ts";
import { show } from "./fake-host.ts";

const DENY_ALL: DeviceRule = { allow: false, access: "rwm" };
const ALLOW_ALL: DeviceRule = { allow: true, access: "rwm" };

function program(rules: readonly DeviceRule[]): Uint8Array {
  return deviceProgram(devicePolicy(rules, []), true);
}

function allows(rules: readonly DeviceRule[], type: "b" | "c", access: number, major: number, minor: number): boolean {
  return runDeviceProgram(program(rules), { type, access, major, minor }) === 1;
}

test("the defaults: common devices, mknod of all, nothing else", () => {
  for (const minor of [3, 5, 7, 8, 9]) expect(allows([], "c", READ | WRITE, 1, minor)).toBe(true);
  for (const minor of [0, 2]) expect(allows([], "c", ALL, 5, minor)).toBe(true);
  expect(allows([], "c", READ | WRITE, 136, 77)).toBe(true);
  expect(allows([], "c", READ | WRITE, 10, 200)).toBe(true);
  expect(allows([], "c", MKNOD, 99, 99)).toBe(true);
  expect(allows([], "b", MKNOD, 8, 0)).toBe(true);
  expect(allows([], "c", READ, 1, 1)).toBe(false);
  expect(allows([], "b", READ, 8, 0)).toBe(false);
  expect(allows([], "b", READ | MKNOD, 8, 0)).toBe(false);
  expect(allows([], "c", READ, 5, 1)).toBe(false);
  expect(allows([], "b", READ, 1, 3)).toBe(false);
});

test("a rule without access is for all of it, as one without numbers is for all of them", () => {
  expect(allows([{ allow: true, type: "c", major: 10, minor: 229 }], "c", ALL, 10, 229)).toBe(true);
  expect(allows([ALLOW_ALL, { allow: false }], "b", READ, 8, 0)).toBe(false);
  expect(() => devicePolicy([{ allow: true, access: "" }], [])).toThrow("access");
});

test("the usual list: deny all, then exceptions", () => {
  const rules: readonly DeviceRule[] = [
    DENY_ALL,
    { allow: true, type: "c", major: 10, minor: 229, access: "rwm" },
    { allow: true, type: "b", major: 8, access: "r" },
  ];
  expect(allows(rules, "c", READ | WRITE, 10, 229)).toBe(true);
  expect(allows(rules, "c", READ, 10, 230)).toBe(false);
  expect(allows(rules, "b", READ, 8, 17)).toBe(true);
  expect(allows(rules, "b", READ | WRITE, 8, 17)).toBe(false);
  expect(allows(rules, "b", READ, 9, 17)).toBe(false);
});

test("a privileged list allows everything, with a program of two instructions after the loads", () => {
  expect(allows([ALLOW_ALL], "b", ALL, 8, 0)).toBe(true);
  expect(devicePolicy([DENY_ALL, ALLOW_ALL], [])).toEqual({ allow: true, rules: [] });
  expect(program([ALLOW_ALL]).length).toBe(8 * 8);
});

test("the last rule wins, also as an exception from a wildcard", () => {
  const rules: readonly DeviceRule[] = [
    ALLOW_ALL,
    { allow: false, type: "b", major: 8, access: "rwm" },
    { allow: true, type: "b", major: 8, minor: 1, access: "r" },
  ];
  expect(allows(rules, "b", READ, 8, 0)).toBe(false);
  expect(allows(rules, "b", READ, 8, 1)).toBe(true);
  expect(allows(rules, "b", WRITE, 8, 1)).toBe(false);
  expect(allows(rules, "b", READ | WRITE, 8, 1)).toBe(false);
  expect(allows(rules, "b", READ, 9, 1)).toBe(true);
  expect(allows(rules, "b", MKNOD, 8, 0)).toBe(true);
});

test("each bit is decided by the last rule that names it", () => {
  const rules: readonly DeviceRule[] = [
    DENY_ALL,
    { allow: true, type: "c", major: 7, minor: 7, access: "w" },
    { allow: true, type: "c", major: 7, access: "r" },
  ];
  expect(allows(rules, "c", READ | WRITE, 7, 7)).toBe(true);
  expect(allows(rules, "c", READ | WRITE, 7, 8)).toBe(false);
});

test("a type `a` rule with numbers means both kinds of those numbers, and no more", () => {
  const rules: readonly DeviceRule[] = [DENY_ALL, { allow: true, type: "a", major: 8, minor: 0, access: "r" }];
  expect(allows(rules, "b", READ, 8, 0)).toBe(true);
  expect(allows(rules, "c", READ, 8, 0)).toBe(true);
  expect(allows(rules, "c", WRITE, 8, 0)).toBe(false);
  expect(allows(rules, "c", READ, 8, 1)).toBe(false);
});

test("numbers of 32 bits", () => {
  const rules: readonly DeviceRule[] = [{ allow: true, type: "c", major: 4294967295, minor: 2147483648, access: "rw" }];
  expect(allows(rules, "c", READ, 4294967295, 2147483648)).toBe(true);
  expect(allows(rules, "c", READ, 4294967295, 2147483647)).toBe(false);
});

test("random rule lists: the program agrees with asking the rules one bit at a time", () => {
  let seed = 42;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  for (let round = 0; round < 300; round++) {
    const rules: DeviceRule[] = Array.from({ length: random(14) }, () => ({
      allow: random(2) === 0,
      type: pick(["a", "b", "c", ""] as const),
      major: pick([-1, 1, 8]),
      minor: pick([-1, 0, 3]),
      access: pick(["r", "w", "m", "rw", "rwm", "rwm"]),
    }));
    const bytes = program(rules);
    expect(allReachable(bytes)).toBe(true);
    for (const type of ["b", "c"] as const) {
      for (const major of [1, 8, 9]) {
        for (const minor of [0, 3, 4]) {
          for (let access = 1; access <= ALL; access++) {
            const got = runDeviceProgram(bytes, { type, access, major, minor }) === 1;
            if (got !== reference(rules, type, access, major, minor)) {
              throw new Error(JSON.stringify({ rules, type, major, minor, access, got }));
            }
          }
        }
      }
    }
  }
});

/** The meaning of the list, told without any cleverness. */
function reference(rules: readonly DeviceRule[], type: string, access: number, major: number, minor: number): boolean {
  const defaults: readonly DeviceRule[] = [
    { allow: true, access: "m" },
    { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
  ];
  return [READ, WRITE, MKNOD].every((bit) => {
    if ((access & bit) === 0) return true;
    const letter = bit === READ ? "r" : bit === WRITE ? "w" : "m";
    let allowed = false;
    for (const rule of [...rules, ...defaults]) {
      const kind = !rule.type || rule.type === "a" || rule.type === type;
      const numbers = [rule.major ?? -1, rule.minor ?? -1];
      if (!kind || !rule.access?.includes(letter)) continue;
      if ((numbers[0] === -1 || numbers[0] === major) && (numbers[1] === -1 || numbers[1] === minor))
        allowed = rule.allow;
    }
    return allowed;
  });
}

test("the bytes of a small program, for both byte orders", () => {
  const policy = {
    allow: false,
    rules: [{ allow: true, type: "c", major: 1, minor: 3, access: ALL }],
  } as const;
  const hex = (little: boolean) => Buffer.from(deviceProgram(policy, little)).toString("hex").match(/.{16}/g);
  expect(hex(true)).toEqual([
    "6112000000000000",
    "bc23000000000000",
    "54020000ffff0000",
    "7403000010000000",
    "6114040000000000",
    "6115080000000000",
    "5602020002000000",
    "5604010001000000",
    "1605020003000000",
    "b400000000000000",
    "9500000000000000",
    "b400000001000000",
    "9500000000000000",
  ]);
  expect(hex(false)?.[0]).toBe("6121000000000000");
  expect(hex(false)?.[6]).toBe("5620000200000002");
});

test("hidden, doubled and idle rules leave no trace", () => {
  const base = devicePolicy([], []);
  expect(devicePolicy([DENY_ALL], [])).toEqual(base);
  expect(devicePolicy([{ allow: true, type: "c", major: 4, access: "rwm" }, DENY_ALL], [])).toEqual(base);
  expect(devicePolicy([DENY_ALL, { allow: false, type: "b", major: 8, access: "w" }], []).rules).toHaveLength(11);
  const split = devicePolicy(
    [
      { allow: true, type: "c", major: 4, minor: 4, access: "r" },
      { allow: true, type: "c", major: 4, minor: 4, access: "w" },
    ],
    [],
  );
  expect(split.rules.filter((rule) => rule.major === 4)).toMatchObject([{ access: READ | WRITE }]);
});

test("a node in place of a default device takes its rule away only if it is another device", () => {
  const allowsNull = (nodes: Parameters<typeof devicePolicy>[1]) =>
    devicePolicy([], nodes).rules.some((rule) => rule.major === 1 && rule.minor === 3);
  expect(allowsNull([{ path: "/dev/null", type: "c", major: 1, minor: 3 }])).toBe(true);
  expect(allowsNull([{ path: "/dev/null", type: "c", major: 1, minor: 1 }])).toBe(false);
});

test("a v1 list that is open by default", () => {
  const rules: readonly DeviceRule[] = [ALLOW_ALL, { allow: false, type: "b", major: 8, minor: 0, access: "rw" }];
  const policy = devicePolicy(rules, []);
  expect(deviceListOps("/d", policy, true).map(show)).toEqual(["write /d/devices.deny b 8:0 rw"]);
  expect(deviceListOps("/d", policy, false).map(show)[0]).toBe("write /d/devices.allow a");
});

test("on v1 a rule takes narrower exceptions back, but cannot punch a hole in a wildcard", () => {
  const narrow: readonly DeviceRule[] = [
    { allow: true, type: "c", major: 4, minor: 4, access: "rw" },
    { allow: false, type: "c", major: 4, access: "w" },
  ];
  expect(deviceListOps("/d", devicePolicy(narrow, []), true).map(show)).toContain("write /d/devices.allow c 4:4 r");
  const hole: readonly DeviceRule[] = [
    { allow: true, type: "c", access: "rwm" },
    { allow: false, type: "c", major: 4, minor: 4, access: "w" },
  ];
  expect(() => deviceListOps("/d", devicePolicy(hole, []), true)).toThrow(
    expect.objectContaining({
      message: "device rule `c 4:4 w` would punch a hole in the wildcard rule `c *:* rwm`",
      at: "/linux/resources/devices/1",
    }),
  );
});

test("a jump over more instructions than its 16 bits can say is refused, not made shorter", () => {
  const rules = Array.from(
    { length: 12_000 },
    (_, i): DeviceRule => ({ allow: true, type: "c", major: i, minor: i, access: "r" }),
  );
  expect(() => deviceProgram(devicePolicy(rules, []), true)).toThrow(
    "12011 device rules are more than a program of the kernel holds",
  );
});
