/** What tsrunc-init does where a bus cannot be reached, refuses, dies, says nothing, or what is no D-Bus. */
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { startOp } from "../../src/cgroups/systemd/calls.ts";
import { type Behaviour, fakeBus, JOB, obey } from "./lib/fake-bus.ts";
import { EXISTS, message, openRoom, PROPERTIES, QUICK, UNIT } from "./lib/room.ts";
import { runOps } from "./lib/run-op.ts";

const room = openRoom();
const { listen, record, socket, start } = room;

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
    const ran = await runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    expect(message(ran)).toContain(`\`${at}\` closed the connection before it had answered`);
    expect(room.bus?.peers).toHaveLength(3);
  });

  test.each([...where])("%s: once, and the call is made again", async (_, auth, call) => {
    const { path: at } = await listen(
      (member, message_, peer, n) => (n === 1 ? call : obey(UNIT))?.(member, message_, peer, n),
      (peer, n) => (n === 1 && auth !== undefined ? auth(peer, n) : peer.raw("DATA\r\nOK 00\r\n")),
    );
    const ran = await runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    expect(ran).toMatchObject({ status: 0, failures: [] });
    expect(room.bus?.peers).toHaveLength(2);
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
    const running = runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    while (first.peers.length === 0) await Bun.sleep(1);
    await first.close();
    fs.rmSync(at, { force: true });
    await Bun.sleep(150);
    room.bus = await fakeBus(at, { call: obey(UNIT) });
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
  expect(message(ran)).toContain(`no answer of \`${room.bus?.path}\` in time: connection timed out (ETIMEDOUT)`);
  expect(ran.milliseconds).toBeLessThan(5_000);
});

test.each(["REJECTED EXTERNAL\r\n", "DATA\r\nREJECTED\r\n", 'ERROR "no"\r\n', "AGREE\r\n"])(
  "a bus that refuses us: %j",
  async (answer) => {
    const { path: at } = await listen(undefined, (peer) => {
      peer.raw(answer);
      peer.close();
    });
    const ran = await runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
    const line = answer.trim().split("\r\n").at(-1);
    expect(message(ran)).toBe(`start unit \`${UNIT}\`: the bus refuses us: \`${line}\` in answer to AUTH EXTERNAL`);
    expect(room.bus?.peers).toHaveLength(1);
  },
);

test("an older manager says twice that it accepts us", async () => {
  const { path: at } = await listen(obey(UNIT), (peer) => peer.raw("OK 00\r\nOK 00\r\n"));
  const ran = await runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
  expect(ran).toMatchObject({ status: 0, failures: [] });
});

describe("addresses", () => {
  const direct = (...addresses: string[]) => ({
    unit: UNIT,
    addresses: addresses.map((address) => ({ address, peer: true })),
    file: path.join(room.directory, UNIT),
  });

  test("none is there: each is named", async () => {
    const stale = socket();
    fs.writeFileSync(stale, "");
    const missing = socket();
    const ran = await runOps(room.directory, [
      startOp(direct(`unix:path=${missing}`, `unix:path=${stale}`), PROPERTIES),
    ]);
    expect(message(ran)).toBe(
      `start unit \`${UNIT}\`: systemd cannot be reached: connect \`${missing}\`: no such file or directory (ENOENT), ` +
        `connect \`${stale}\`: connection refused (ECONNREFUSED)`,
    );
    expect(ran.failures[0]?.hint).toContain("--systemd-cgroup");
  });

  test("the first that is there, also of several in one", async () => {
    const { path: at } = await listen();
    const several = `tcp:host=h,port=1;unix:path=${socket()};unix:guid=0a,path=${at}`;
    expect(await runOps(room.directory, [startOp(direct(several), PROPERTIES)])).toMatchObject({
      status: 0,
      failures: [],
    });
  });

  test("escaped, and longer than a socket's address", async () => {
    const deep = path.join(room.directory, "d r,%".repeat(20), "x".repeat(60));
    fs.mkdirSync(deep, { recursive: true });
    const near = socket();
    room.bus = await fakeBus(near, { call: obey(UNIT) });
    fs.renameSync(near, path.join(deep, "bus"));
    const escaped = [...path.join(deep, "bus")].map((c) => (/[-\w/.]/.test(c) ? c : encodeURIComponent(c))).join("");
    expect(await runOps(room.directory, [startOp(direct(`unix:path=${escaped}`), PROPERTIES)])).toMatchObject({
      status: 0,
      failures: [],
    });
  });

  test("abstract", async () => {
    const name = `tsrunc-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
    room.bus = await fakeBus(`\0${name}`, { call: obey(UNIT) });
    expect(await runOps(room.directory, [startOp(direct(`unix:abstract=${name}`), PROPERTIES)])).toMatchObject({
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
        const running = runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
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
        const ran = await runOps(room.directory, [startOp(record(`unix:path=${at}`, true), PROPERTIES)]);
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
    const ran = await runOps(room.directory, [{ ...startOp(record(`unix:path=${at}`, true), PROPERTIES), ...QUICK }]);
    expect(message(ran)).toMatch(/speaks no D-Bus/);
  });

  test("messages before it accepts us", async () => {
    const { path: at } = await listen(obey(UNIT), () => {});
    const ran = await runOps(room.directory, [{ ...startOp(record(`unix:path=${at}`, true), PROPERTIES), ...QUICK }]);
    expect(message(ran)).toMatch(/speaks no D-Bus/);
  });
});
