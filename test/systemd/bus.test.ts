/** What tsrunc-init says to a bus, and what it makes of the answers, against one that does as a test wants. */
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as path from "node:path";
import { setOp, startOp, stopOp } from "../../src/cgroups/systemd/calls.ts";
import { FIELDS, LITTLE_ENDIAN } from "../../src/dbus/marshal.ts";
import { callText } from "../../src/dbus/unmarshal.ts";
import type { Op } from "../../src/program/ops.ts";
import { JOB, obey } from "./lib/fake-bus.ts";
import { EXISTS, members, message, openRoom, PROPERTIES, QUICK, UNIT } from "./lib/room.ts";
import { runOps } from "./lib/run-op.ts";

const room = openRoom();
const { listen, record, start } = room;

describe("round trips", () => {
  test("a scope by systemd's own socket: one, and the job", async () => {
    expect(await start(obey(UNIT))).toMatchObject({ status: 0, failures: [] });
    const [peer] = room.bus?.peers ?? [];
    expect(room.bus?.peers).toHaveLength(1);
    expect(peer?.turns).toBe(1);
    expect(peer?.auth).toBe("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
    expect(peer?.messages.map(callText)).toEqual([
      `StartTransientUnit("${UNIT}", "fail", [["PIDs", [0]], ["Slice", "a.slice"], ["MemoryMax", 4096], ["CPUWeight", 0]], [])`,
    ]);
    expect(peer?.messages.map(({ serial }) => serial)).toEqual([1]);
  });

  test("a scope by a message bus: one, and the job", async () => {
    expect(await start(obey(UNIT), {}, false)).toMatchObject({ status: 0, failures: [] });
    const [peer] = room.bus?.peers ?? [];
    expect(peer?.turns).toBe(1);
    expect(members(peer)).toEqual(["Hello", "AddMatch", "StartTransientUnit"]);
    expect(peer?.messages.map(({ serial }) => serial)).toEqual([1, 2, 3]);
  });

  test("a change: one", async () => {
    const { path: at } = await listen();
    const ran = await runOps(room.directory, [setOp(record(`unix:path=${at}`, false), PROPERTIES)]);
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(room.bus?.peers.map(({ turns }) => turns)).toEqual([1]);
    expect(members(room.bus?.peers[0])).toEqual(["Hello", "SetUnitProperties"]);
  });

  test("a stop: two while systemd knows the unit, else none at all", async () => {
    const { path: at } = await listen();
    const stop = stopOp(record(`unix:path=${at}`, true));
    expect(await runOps(room.directory, [stop])).toMatchObject({ status: 0, failures: [] });
    expect(room.bus?.peers).toHaveLength(0);
    fs.writeFileSync(path.join(room.directory, UNIT), "");
    try {
      expect(await runOps(room.directory, [stop])).toMatchObject({ status: 0, failures: [], warnings: [] });
    } finally {
      fs.rmSync(path.join(room.directory, UNIT));
    }
    expect(room.bus?.peers.map(({ turns }) => turns)).toEqual([2]);
    expect(room.bus?.peers[0]?.messages.map(callText)).toEqual([
      `ResetFailedUnit("${UNIT}")`,
      `StopUnit("${UNIT}", "replace")`,
      `ResetFailedUnit("${UNIT}")`,
    ]);
  });
});

test("what a manager would swallow with the authentication waits until it has accepted us", async () => {
  const short = {
    ...stopOp(record("unix:path=/", true)),
    ahead: new Uint8Array(0),
    after: new Uint8Array(0),
    file: undefined,
  };
  const { path: at } = await listen();
  expect(short.call.length).toBeLessThan(227);
  expect(await runOps(room.directory, [{ ...short, peers: [at] }])).toMatchObject({ status: 0, failures: [] });
  expect(room.bus?.peers[0]?.turns).toBe(2);
  // A message bus reads all.
  expect(await runOps(room.directory, [{ ...short, peers: [], buses: [at] }])).toMatchObject({
    status: 0,
    failures: [],
  });
  expect(room.bus?.peers[1]?.turns).toBe(1);
});

test("all that we ever call is longer than that", () => {
  const least = { unit: "a-b.scope", addresses: [{ address: "unix:path=/", peer: true }], file: "/" };
  const sent = [startOp(least, []), setOp(least, [{ name: "TasksMax", type: "t", value: 1n }]), stopOp(least)];
  for (const { ahead, call } of sent) expect(29 + ahead.length + call.length).toBeGreaterThan(256);
});

test("a call of many devices", async () => {
  const { path: at } = await listen();
  const value = Array.from({ length: 20_000 }, (_, i) => [`/dev/char/${i}:${i}`, "rwm"]);
  const op = startOp(record(`unix:path=${at}`, true), [{ name: "DeviceAllow", type: "a(ss)", value }]);
  expect(op.call.length).toBeGreaterThan(500_000);
  expect(await runOps(room.directory, [op])).toMatchObject({ status: 0, failures: [] });
  expect(members(room.bus?.peers[0])).toEqual(["StartTransientUnit"]);
});

test("the pid of the container's process is put into the call", async () => {
  const { path: at } = await listen();
  const clone: Op = {
    ...{ op: "clone", flags: 0, cgroup: undefined, pidns: -1, userns: -1, helper: false },
    ...{ agent: undefined, agentState: undefined, forks: false },
  };
  const op = startOp(record(`unix:path=${at}`, true), PROPERTIES);
  await runOps(room.directory, [clone, op], [{ op: "await", token: 1 }]);
  const list = room.bus?.peers[0]?.messages[0]?.body[2] as readonly (readonly [string, { readonly value: number[] }])[];
  expect(list[0]?.[0]).toBe("PIDs");
  expect(list[0]?.[1].value[0]).toBeGreaterThan(1);
});

test("answers in the other byte order", async () => {
  const ran = await start((member, call, peer) => {
    peer.little = !LITTLE_ENDIAN;
    obey(UNIT)(member, call, peer, 1);
  });
  expect(ran).toMatchObject({ status: 0, failures: [] });
});

describe("what comes in between", () => {
  test("is passed over: other signals, jobs of others, answers to nobody, fields that nobody knows", async () => {
    const ran = await start((_, call, peer) => {
      peer.signal("NameAcquired", "s", [":1.42"]);
      peer.signal("UnitNew", "so", [UNIT, "/x"]);
      peer.jobRemoved("/org/freedesktop/systemd1/job/6", "other.scope", "failed");
      peer.jobRemoved("/org/freedesktop/systemd1/job/5", UNIT, "failed");
      peer.reply({ ...call, serial: 77 });
      peer.error({ ...call, serial: 78 }, "org.x.Y", "of another call");
      peer.reply(call, "o", [JOB]);
      peer.signal("JobRemoved", "uoss", [8, "/org/freedesktop/systemd1/job/8", "another.scope", "failed"]);
      peer.signal("JobRemoved", "s", [JOB]);
      peer.jobRemoved(JOB, UNIT, "done");
    });
    expect(ran).toMatchObject({ status: 0, failures: [] });
  });

  test("the end of the job may come before the answer", async () => {
    const ran = await start((_, call, peer) => {
      peer.jobRemoved(JOB, UNIT, "done");
      peer.reply(call, "o", [JOB]);
    });
    expect(ran).toMatchObject({ status: 0, failures: [] });
  });

  test.each(["before", "after"])(
    "somebody else's word for the end of the job, %s the answer, counts for nothing",
    async (when) => {
      const ran = await start((_, call, peer) => {
        if (when === "before") peer.jobRemoved(JOB, UNIT, "failed", ":1.66");
        peer.reply(call, "o", [JOB]);
        if (when === "after") peer.jobRemoved(JOB, UNIT, "failed", ":1.66");
        peer.jobRemoved(JOB, UNIT, "done");
      });
      expect(ran).toMatchObject({ status: 0, failures: [] });
    },
  );

  test("does not prolong the wait", async () => {
    const ran = await start((_, call, peer) => {
      peer.reply(call, "o", [JOB]);
      const flood = setInterval(() => {
        for (let i = 0; i < 100; i++) peer.signal("UnitNew", "so", ["x".repeat(100), "/x"]);
      }, 1);
      setTimeout(() => clearInterval(flood), 1_500);
    }, QUICK);
    expect(message(ran)).toContain("has not ended in time");
    expect(ran.milliseconds).toBeLessThan(1_400);
  });

  test("answers that come byte by byte", async () => {
    const slow: Uint8Array[] = [];
    const ran = await start((member, call, peer) => {
      const raw = peer.raw.bind(peer);
      peer.raw = (bytes) => slow.push(Buffer.from(bytes as Uint8Array));
      obey(UNIT)(member, call, peer, 1);
      const bytes = Buffer.concat(slow);
      let at = 0;
      const timer = setInterval(() => {
        if (at >= bytes.length) clearInterval(timer);
        else raw(bytes.subarray(at, ++at));
      }, 1);
    });
    expect(ran).toMatchObject({ status: 0, failures: [] });
  });
});

describe("a job that does not end well", () => {
  test.each(["failed", "canceled", "timeout", "dependency", "skipped", "a\nb"])("%j", async (result) => {
    const ran = await start((_, call, peer) => {
      peer.reply(call, "o", [JOB]);
      peer.jobRemoved(JOB, UNIT, result);
    });
    expect(ran.status).toBe(1);
    expect(ran.failures[0]).toMatchObject({ at: "/linux/cgroupsPath" });
    expect(message(ran)).toBe(`start unit \`${UNIT}\`: the job's result is \`${result.replace("\n", " ")}\``);
    expect(ran.failures[0]?.hint).toContain(`systemctl status ${UNIT}`);
  });

  test("or does not end", async () => {
    const ran = await start((_, call, peer) => peer.reply(call, "o", [JOB]), QUICK);
    expect(message(ran)).toBe(`start unit \`${UNIT}\`: the job has not ended in time`);
    expect(ran.milliseconds).toBeLessThan(5_000);
  });
});

describe("a unit of the name", () => {
  test("that failed is reset, and one that is about to go is waited for", async () => {
    let tries = 0;
    const ran = await start((member, call, peer) => {
      if (member !== "StartTransientUnit") peer.error(call, "org.freedesktop.systemd1.NoSuchUnit", "gone");
      else if (++tries < 3) peer.error(call, EXISTS, "Unit was already loaded.");
      else obey(UNIT)(member, call, peer, 1);
    });
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(room.bus?.peers).toHaveLength(1);
    const [first, ...later] = members(room.bus?.peers[0]) ?? [];
    expect([first, ...later]).toEqual([
      "StartTransientUnit",
      ...["ResetFailedUnit", "StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"],
    ]);
  });

  test("that stays", async () => {
    const ran = await start((_, call, peer) => peer.error(call, EXISTS, `Unit ${UNIT} was already loaded.`), QUICK);
    expect(message(ran)).toBe(`start unit \`${UNIT}\`: Unit ${UNIT} was already loaded (${EXISTS})`);
    expect(ran.failures[0]).toMatchObject({ at: "/linux/cgroupsPath", hint: expect.stringContaining("stop it") });
  });
});

describe("properties", () => {
  const READ_ONLY = "org.freedesktop.DBus.Error.PropertyReadOnly";

  test("that are too new are left away", async () => {
    let tries = 0;
    const ran = await start((member, call, peer) => {
      if (++tries === 1) peer.error(call, READ_ONLY, "Cannot set property CPUWeight, or unknown property.");
      else obey(UNIT)(member, call, peer, 1);
    });
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(callText(room.bus?.peers[0]?.messages[0] as never)).toContain("CPUWeight");
    expect(callText(room.bus?.peers[0]?.messages[1] as never)).not.toContain("CPUWeight");
    expect(members(room.bus?.peers[0])).toEqual(["StartTransientUnit", "StartTransientUnit"]);
  });

  test("that are refused are told with what they came from", async () => {
    const INVALID = "org.freedesktop.DBus.Error.InvalidArgs";
    const ran = await start((_, call, peer) => {
      peer.error(call, INVALID, "Value specified in MemoryMax is out of range");
    });
    expect(message(ran)).toBe(`start unit \`${UNIT}\`: Value specified in MemoryMax is out of range (${INVALID})`);
    expect(ran.failures[0]).toMatchObject({ at: "/linux/resources/memory/limit" });
  });
});

test("other errors have the name that D-Bus gives them, and no line breaks", async () => {
  const DENIED = "org.freedesktop.DBus.Error.AccessDenied";
  const ran = await start((_, call, peer) => peer.error(call, DENIED, "Not\nallowed\u001b[2J."));
  expect(message(ran)).toBe(`start unit \`${UNIT}\`: Not allowed [2J (${DENIED})`);
  expect(ran.failures[0]?.hint).toContain("only root");
});

describe("a message bus that is full", () => {
  const FULL = "org.freedesktop.DBus.Error.LimitsExceeded";

  test("is greeted again on another connection", async () => {
    const ran = await start(
      (member, call, peer, connection) => {
        if (connection === 1 && member === "Hello") peer.error(call, FULL, "too many");
        else obey(UNIT)(member, call, peer, connection);
      },
      {},
      false,
    );
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(room.bus?.peers).toHaveLength(2);
    expect(members(room.bus?.peers[1])?.[0]).toBe("Hello");
  });

  test("and stays so", async () => {
    const ran = await start((_, call, peer) => peer.error(call, FULL, "too many"), QUICK, false);
    expect(message(ran)).toContain(FULL);
  });
});

test("the header of a call is what D-Bus wants", async () => {
  await start(obey(UNIT));
  const fields = room.bus?.peers[0]?.messages[0]?.fields;
  expect(fields?.get(FIELDS.destination)).toBe("org.freedesktop.systemd1");
  expect(fields?.get(FIELDS.path)).toBe("/org/freedesktop/systemd1");
  expect(fields?.get(FIELDS.interface)).toBe("org.freedesktop.systemd1.Manager");
});
