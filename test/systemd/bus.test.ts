/** What tsrunc-init says to a bus, and what it makes of the answers, against one that does as a test wants. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { setOp, startOp, stopOp } from "../../src/cgroups/systemd/calls.ts";
import type { Property } from "../../src/cgroups/systemd/collect.ts";
import { FIELDS, LITTLE_ENDIAN } from "../../src/dbus/marshal.ts";
import { callText } from "../../src/dbus/unmarshal.ts";
import type { Op, OpOf } from "../../src/program/ops.ts";
import { type Behaviour, type FakeBus, fakeBus, JOB, memberOf, obey, type Peer } from "./lib/fake-bus.ts";
import { type Ran, runOps } from "./lib/run-op.ts";

const UNIT = "pre-c1.scope";
const PROPERTIES: readonly Property[] = [
  { name: "Slice", type: "s", value: "a.slice" },
  { name: "MemoryMax", type: "t", value: 4096n, at: "/linux/resources/memory/limit" },
  { name: "CPUWeight", type: "t", value: 0n, since: 252, at: "/linux/resources/cpu/idle" },
];
const EXISTS = "org.freedesktop.systemd1.UnitExists";
/** A bus that is to be waited for in vain is not waited for long. */
const QUICK = { timeoutMs: 300, retryMs: 200 } as const;

let directory: string;
let bus: FakeBus | undefined;

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(tmpdir(), "tsrunc-bus-"));
});
afterEach(async () => {
  await bus?.close();
  bus = undefined;
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

let count = 0;
const socket = () => path.join(directory, `bus-${++count}`);

const record = (address: string, peer: boolean) => ({
  unit: UNIT,
  addresses: [{ address, peer }],
  file: path.join(directory, UNIT),
});

async function listen(call: Behaviour["call"] = obey(UNIT), auth?: Behaviour["auth"]): Promise<FakeBus> {
  bus = await fakeBus(socket(), { call, ...(auth === undefined ? {} : { auth }) });
  return bus;
}

/** Starts the unit by that bus. */
async function start(call: Behaviour["call"], options: Partial<OpOf<"busCall">> = {}, direct = true): Promise<Ran> {
  const { path: at } = await listen(call);
  return runOps(directory, [{ ...startOp(record(`unix:path=${at}`, direct), PROPERTIES), ...options }]);
}

const members = (peer: Peer | undefined) => peer?.messages.map(memberOf);
const message = (ran: Ran) => ran.failures[0]?.message;

describe("round trips", () => {
  test("a scope by systemd's own socket: one, and the job", async () => {
    expect(await start(obey(UNIT))).toMatchObject({ status: 0, failures: [] });
    const [peer] = bus?.peers ?? [];
    expect(bus?.peers).toHaveLength(1);
    expect(peer?.turns).toBe(1);
    expect(peer?.auth).toBe("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n");
    expect(peer?.messages.map(callText)).toEqual([
      `StartTransientUnit("${UNIT}", "fail", [["PIDs", [0]], ["Slice", "a.slice"], ["MemoryMax", 4096], ["CPUWeight", 0]], [])`,
    ]);
    expect(peer?.messages.map(({ serial }) => serial)).toEqual([1]);
  });

  test("a scope by a message bus: one, and the job", async () => {
    expect(await start(obey(UNIT), {}, false)).toMatchObject({ status: 0, failures: [] });
    const [peer] = bus?.peers ?? [];
    expect(peer?.turns).toBe(1);
    expect(members(peer)).toEqual(["Hello", "AddMatch", "StartTransientUnit"]);
    expect(peer?.messages.map(({ serial }) => serial)).toEqual([1, 2, 3]);
  });

  test("a change: one", async () => {
    const { path: at } = await listen();
    const ran = await runOps(directory, [setOp(record(`unix:path=${at}`, false), PROPERTIES)]);
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(bus?.peers.map(({ turns }) => turns)).toEqual([1]);
    expect(members(bus?.peers[0])).toEqual(["Hello", "SetUnitProperties"]);
  });

  test("a stop: two while systemd knows the unit, else none at all", async () => {
    const { path: at } = await listen();
    const stop = stopOp(record(`unix:path=${at}`, true));
    expect(await runOps(directory, [stop])).toMatchObject({ status: 0, failures: [] });
    expect(bus?.peers).toHaveLength(0);
    fs.writeFileSync(path.join(directory, UNIT), "");
    try {
      expect(await runOps(directory, [stop])).toMatchObject({ status: 0, failures: [], warnings: [] });
    } finally {
      fs.rmSync(path.join(directory, UNIT));
    }
    expect(bus?.peers.map(({ turns }) => turns)).toEqual([2]);
    expect(bus?.peers[0]?.messages.map(callText)).toEqual([
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
  expect(await runOps(directory, [{ ...short, peers: [at] }])).toMatchObject({ status: 0, failures: [] });
  expect(bus?.peers[0]?.turns).toBe(2);
  // A message bus reads all.
  expect(await runOps(directory, [{ ...short, peers: [], buses: [at] }])).toMatchObject({ status: 0, failures: [] });
  expect(bus?.peers[1]?.turns).toBe(1);
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
  expect(await runOps(directory, [op])).toMatchObject({ status: 0, failures: [] });
  expect(members(bus?.peers[0])).toEqual(["StartTransientUnit"]);
});

test("the pid of the container's process is put into the call", async () => {
  const { path: at } = await listen();
  const clone: Op = {
    ...{ op: "clone", flags: 0, cgroup: undefined, pidns: -1, userns: -1, helper: false },
    ...{ agent: undefined, agentState: undefined, forks: false },
  };
  const op = startOp(record(`unix:path=${at}`, true), PROPERTIES);
  await runOps(directory, [clone, op], [{ op: "await", token: 1 }]);
  const list = bus?.peers[0]?.messages[0]?.body[2] as readonly (readonly [string, { readonly value: number[] }])[];
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
    expect(bus?.peers).toHaveLength(1);
    const [first, ...later] = members(bus?.peers[0]) ?? [];
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
    expect(callText(bus?.peers[0]?.messages[0] as never)).toContain("CPUWeight");
    expect(callText(bus?.peers[0]?.messages[1] as never)).not.toContain("CPUWeight");
    expect(members(bus?.peers[0])).toEqual(["StartTransientUnit", "StartTransientUnit"]);
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
    expect(bus?.peers).toHaveLength(2);
    expect(members(bus?.peers[1])?.[0]).toBe("Hello");
  });

  test("and stays so", async () => {
    const ran = await start((_, call, peer) => peer.error(call, FULL, "too many"), QUICK, false);
    expect(message(ran)).toContain(FULL);
  });
});

describe("a connection that is closed", () => {
  const where: readonly (readonly [string, Behaviour["auth"], Behaviour["call"]])[] = [
    ["before it is accepted", (peer) => peer.close(), undefined],
    ["before the answer", undefined, (_, __, peer) => peer.close()],
    [
      "within the answer",
      undefined,
      (_, call, peer) => {
        const raw = peer.raw.bind(peer);
        peer.raw = (bytes) => raw((bytes as Uint8Array).subarray(0, 30));
        peer.reply(call, "o", [JOB]);
        peer.close();
      },
    ],
    [
      "before the end of the job",
      undefined,
      (_, call, peer) => {
        peer.reply(call, "o", [JOB]);
        peer.close();
      },
    ],
  ];

  test.each([...where])("%s: three times, and it is an error", async (_, auth, call) => {
    const { path: at } = await listen(call, auth);
    const ran = await runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    expect(message(ran)).toContain(`\`${at}\` closed the connection before it had answered`);
    expect(bus?.peers).toHaveLength(3);
  });

  test.each([...where])("%s: once, and the call is made again", async (_, auth, call) => {
    const { path: at } = await listen(
      (member, message_, peer, n) => (n === 1 ? call : obey(UNIT))?.(member, message_, peer, n),
      (peer, n) => (n === 1 && auth !== undefined ? auth(peer, n) : peer.raw("DATA\r\nOK 00\r\n")),
    );
    const ran = await runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(bus?.peers).toHaveLength(2);
  });

  test("or a manager that left the message bus while it had the call", async () => {
    const seen: string[] = [];
    const NAMES = ["NoReply", "ServiceUnknown", "Spawn.ChildExited", "NameHasNoOwner"].map(
      (name) => `org.freedesktop.DBus.Error.${name}`,
    );
    const ran = await start(
      (member, call, peer, n) => {
        const name = member === "StartTransientUnit" ? NAMES.shift() : undefined;
        if (member === "StartTransientUnit") seen.push(`${n} ${name ?? "exists"}`);
        if (member !== "StartTransientUnit") obey(UNIT)(member, call, peer, n);
        else peer.error(call, name ?? EXISTS, "not now");
      },
      {},
      false,
    );
    expect(ran).toMatchObject({ status: 0, failures: [] });
    // As it is not known whether the first was heard, a unit that exists is what was wanted.
    expect(seen.at(-1)).toBe("2 exists");
    expect(seen).toHaveLength(5);
  });

  test("by somebody who is not there for a moment", async () => {
    const at = socket();
    const first = await fakeBus(at, { call: (_, __, peer) => peer.close() });
    const running = runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    while (first.peers.length === 0) await Bun.sleep(1);
    await first.close();
    fs.rmSync(at, { force: true });
    await Bun.sleep(150);
    bus = await fakeBus(at, { call: obey(UNIT) });
    expect(await running).toMatchObject({ status: 0, failures: [] });
  });

  test("after the call was heard: that the unit exists is what was wanted", async () => {
    const ran = await start((_, call, peer, n) => {
      if (n === 1) peer.close();
      else peer.error(call, EXISTS, "Unit was already loaded.");
    });
    expect(ran).toMatchObject({ status: 0, failures: [] });
  });
});

test("a bus that never answers", async () => {
  const ran = await start(() => {}, QUICK);
  expect(message(ran)).toContain(`no answer of \`${bus?.path}\` in time: connection timed out (ETIMEDOUT)`);
  expect(ran.milliseconds).toBeLessThan(5_000);
});

test.each(["REJECTED EXTERNAL\r\n", "DATA\r\nREJECTED\r\n", 'ERROR "no"\r\n', "AGREE\r\n"])(
  "a bus that refuses us: %j",
  async (answer) => {
    const { path: at } = await listen(undefined, (peer) => {
      peer.raw(answer);
      peer.close();
    });
    const ran = await runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    const line = answer.trim().split("\r\n").at(-1);
    expect(message(ran)).toBe(`start unit \`${UNIT}\`: the bus refuses us: \`${line}\` in answer to AUTH EXTERNAL`);
    expect(bus?.peers).toHaveLength(1);
  },
);

test("an older manager says twice that it accepts us", async () => {
  const { path: at } = await listen(obey(UNIT), (peer) => peer.raw("OK 00\r\nOK 00\r\n"));
  const ran = await runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
  expect(ran).toMatchObject({ status: 0, failures: [] });
});

describe("addresses", () => {
  const direct = (...addresses: string[]) => ({
    unit: UNIT,
    addresses: addresses.map((address) => ({ address, peer: true })),
    file: path.join(directory, UNIT),
  });

  test("none is there: each is named", async () => {
    const stale = socket();
    fs.writeFileSync(stale, "");
    const missing = socket();
    const ran = await runOps(directory, [startOp(direct(`unix:path=${missing}`, `unix:path=${stale}`), PROPERTIES)]);
    expect(message(ran)).toBe(
      `start unit \`${UNIT}\`: systemd cannot be reached: connect \`${missing}\`: no such file or directory (ENOENT), ` +
        `connect \`${stale}\`: connection refused (ECONNREFUSED)`,
    );
    expect(ran.failures[0]?.hint).toContain("--systemd-cgroup");
  });

  test("the first that is there, also of several in one", async () => {
    const { path: at } = await listen();
    const several = `tcp:host=h,port=1;unix:path=${socket()};unix:guid=0a,path=${at}`;
    expect(await runOps(directory, [startOp(direct(several), PROPERTIES)])).toMatchObject({ status: 0, failures: [] });
  });

  test("escaped, and longer than a socket's address", async () => {
    const deep = path.join(directory, "d r,%".repeat(20), "x".repeat(60));
    fs.mkdirSync(deep, { recursive: true });
    const near = socket();
    bus = await fakeBus(near, { call: obey(UNIT) });
    fs.renameSync(near, path.join(deep, "bus"));
    const escaped = [...path.join(deep, "bus")].map((c) => (/[-\w/.]/.test(c) ? c : encodeURIComponent(c))).join("");
    expect(await runOps(directory, [startOp(direct(`unix:path=${escaped}`), PROPERTIES)])).toMatchObject({
      status: 0,
      failures: [],
    });
  });

  test("abstract", async () => {
    const name = `tsrunc-test-${process.pid}-${++count}`;
    bus = await fakeBus(`\0${name}`, { call: obey(UNIT) });
    expect(await runOps(directory, [startOp(direct(`unix:abstract=${name}`), PROPERTIES)])).toMatchObject({
      status: 0,
      failures: [],
    });
  });

  test.each(["tcp:host=h,port=1", "", "unix:path=x", "unix:path=/a%0", "unix:path=/a%00b", "autolaunch:"])(
    "%j names no socket",
    (address) => {
      expect(() => startOp(direct(address), PROPERTIES)).toThrow("names no Unix socket");
    },
  );
});

describe("a queue of connections that is full", () => {
  /** A systemd that has no time to accept anybody. */
  async function overloaded(work: (address: string, go: () => void) => Promise<void>): Promise<void> {
    const at = socket();
    const script = path.join(import.meta.dir, "lib/serve.ts");
    const child = Bun.spawn([process.execPath, script, at, UNIT], { stdout: "pipe" });
    const waiting: net.Socket[] = [];
    try {
      await child.stdout.getReader().read();
      child.kill("SIGSTOP");
      const enter = () =>
        new Promise<boolean>((resolve) => {
          const one = net.connect(at, () => resolve(true));
          one.on("error", () => resolve(false));
          waiting.push(one);
        });
      while (await enter()) expect(waiting.length).toBeLessThan(5_000);
      await work(at, () => child.kill("SIGCONT"));
    } finally {
      child.kill("SIGKILL");
      for (const one of waiting) one.destroy();
      await child.exited;
    }
  }

  test(
    "is waited for",
    () =>
      overloaded(async (at, go) => {
        const running = runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
        setTimeout(go, 200);
        const ran = await running;
        expect(ran).toMatchObject({ status: 0, failures: [] });
        expect(ran.milliseconds).toBeGreaterThan(190);
      }),
    30_000,
  );

  test(
    "for some seconds",
    () =>
      overloaded(async (at) => {
        const ran = await runOps(directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
        expect(message(ran)).toContain(`connect \`${at}\`: resource temporarily unavailable (EAGAIN)`);
        expect(ran.milliseconds).toBeLessThan(9_000);
      }),
    30_000,
  );
});

describe("what is no D-Bus", () => {
  const header = (endian: string, type: number, version: number, body: number, fields: number) => {
    const bytes = Buffer.alloc(24);
    bytes.write(endian);
    bytes[1] = type;
    bytes[3] = version;
    bytes.writeUInt32LE(body, 4);
    bytes.writeUInt32LE(1, 8);
    bytes.writeUInt32LE(fields, 12);
    return bytes;
  };
  test.each([
    ["a body of 4 GiB", header("l", 2, 1, 0xffffffff, 0)],
    ["fields of 4 GiB", header("l", 2, 1, 0, 0xffffffff)],
    ["lengths whose sum is small again", header("l", 2, 1, 0xfffffff8, 8)],
    ["more than anything for us", header("l", 2, 1, 70_000, 0)],
    ["another version", header("l", 2, 9, 0, 0)],
    ["no type", header("l", 0, 1, 0, 0)],
    ["fields that are cut off", header("l", 2, 1, 0, 8)],
    ["another byte order", header("x", 2, 1, 0, 0)],
  ])("%s", async (_, bytes) => {
    const ran = await start((__, ___, peer) => peer.raw(bytes), QUICK);
    expect(ran.signal).toBeNull();
    expect(message(ran)).toMatch(/speaks no D-Bus/);
  });

  test("an answer that is no job", async () => {
    const ran = await start((_, call, peer) => peer.reply(call, "u", [7]), QUICK);
    expect(message(ran)).toMatch(/speaks no D-Bus/);
  });

  test("a line without end", async () => {
    const { path: at } = await listen(undefined, (peer) => peer.raw("O".repeat(100_000)));
    const ran = await runOps(directory, [{ ...startOp(record(`unix:path=${at}`, true), PROPERTIES), ...QUICK }]);
    expect(message(ran)).toMatch(/speaks no D-Bus/);
  });

  test("messages before it accepts us", async () => {
    const { path: at } = await listen(obey(UNIT), () => {});
    const ran = await runOps(directory, [{ ...startOp(record(`unix:path=${at}`, true), PROPERTIES), ...QUICK }]);
    expect(message(ran)).toMatch(/speaks no D-Bus/);
  });
});

test("the header of a call is what D-Bus wants", async () => {
  await start(obey(UNIT));
  const fields = bus?.peers[0]?.messages[0]?.fields;
  expect(fields?.get(FIELDS.destination)).toBe("org.freedesktop.systemd1");
  expect(fields?.get(FIELDS.path)).toBe("/org/freedesktop/systemd1");
  expect(fields?.get(FIELDS.interface)).toBe("org.freedesktop.systemd1.Manager");
});
