/** A place for a fake bus, and units that are started by it. */
import { afterAll, afterEach, beforeAll } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { startOp } from "../../../src/cgroups/systemd/calls.ts";
import type { Property } from "../../../src/cgroups/systemd/collect.ts";
import type { OpOf } from "../../../src/program/ops.ts";
import { type Behaviour, type FakeBus, fakeBus, memberOf, obey, type Peer } from "./fake-bus.ts";
import { type Ran, runOps } from "./run-op.ts";

export const UNIT = "pre-c1.scope";
export const PROPERTIES: readonly Property[] = [
  { name: "Slice", type: "s", value: "a.slice" },
  { name: "MemoryMax", type: "t", value: 4096n, at: "/linux/resources/memory/limit" },
  { name: "CPUWeight", type: "t", value: 0n, since: 252, at: "/linux/resources/cpu/idle" },
];
export const EXISTS = "org.freedesktop.systemd1.UnitExists";
/** A bus that is to be waited for in vain is not waited for long. */
export const QUICK = { timeoutMs: 300, retryMs: 200 } as const;

export const members = (peer: Peer | undefined) => peer?.messages.map(memberOf);
export const message = (ran: Ran) => ran.failures[0]?.message;

let count = 0;

export class Room {
  directory = "";
  /** The one of the test that runs. */
  bus: FakeBus | undefined;

  readonly socket = () => path.join(this.directory, `bus-${++count}`);

  readonly record = (address: string, peer: boolean) => ({
    unit: UNIT,
    addresses: [{ address, peer }],
    file: path.join(this.directory, UNIT),
  });

  readonly listen = async (call: Behaviour["call"] = obey(UNIT), auth?: Behaviour["auth"]): Promise<FakeBus> => {
    this.bus = await fakeBus(this.socket(), { call, ...(auth === undefined ? {} : { auth }) });
    return this.bus;
  };

  /** Starts the unit by that bus. */
  readonly start = async (
    call: Behaviour["call"],
    options: Partial<OpOf<"busCall">> = {},
    direct = true,
  ): Promise<Ran> => {
    const { path: at } = await this.listen(call);
    const op = startOp(this.record(`unix:path=${at}`, direct), PROPERTIES);
    return runOps(this.directory, [{ ...op, ...options }]);
  };
}

/** For all tests of a file. */
export function openRoom(): Room {
  const room = new Room();
  beforeAll(() => {
    room.directory = fs.mkdtempSync(path.join(tmpdir(), "tsrunc-bus-"));
  });
  afterEach(async () => {
    await room.bus?.close();
    room.bus = undefined;
  });
  afterAll(() => fs.rmSync(room.directory, { recursive: true, force: true }));
  return room;
}
