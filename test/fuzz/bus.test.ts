/** What tsrunc-init makes of damaged answers of a bus, under the address and undefined-behaviour sanitizers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { concatenated, FIELDS, message, type Value } from "../../src/dbus/marshal.ts";
import { compileSanitized, SANITIZER_ENV } from "./sanitized.ts";

const SECONDS = 6;
const SEED = 20_261_128;
const UNIT = "pre-c1.scope";
const JOB = "/org/freedesktop/systemd1/job/7";
const CHECKOUT = path.join(import.meta.dir, "../..");
let directory: string;
let bus: string;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "tsrunc-fuzz-bus-"));
  bus = path.join(directory, "bus");
  const includes = [`-I${CHECKOUT}/src/generated`, `-I${CHECKOUT}/native`];
  compileSanitized(bus, [path.join(import.meta.dir, "bus.c")], includes);
}, 120_000);

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** All that a message bus says while a scope is started. */
function answers(little: boolean): Uint8Array {
  const reply = (serial: number, signature: string, body: readonly Value[]) =>
    message(
      2,
      9,
      [
        [FIELDS.replySerial, "u", serial],
        [FIELDS.sender, "s", ":1.0"],
      ],
      signature,
      body,
      little,
    );
  const signal = (member: string, signature: string, body: readonly Value[]) =>
    message(
      4,
      9,
      [
        [FIELDS.path, "o", "/x"],
        [FIELDS.member, "s", member],
        [FIELDS.sender, "s", ":1.0"],
      ],
      signature,
      body,
      little,
    );
  return concatenated([
    Buffer.from("DATA\r\nOK 0123456789abcdef\r\n"),
    reply(1, "s", [":1.42"]),
    signal("NameAcquired", "s", [":1.42"]),
    reply(2, "", []),
    message(
      3,
      9,
      [
        [FIELDS.errorName, "s", "org.x.Error"],
        [FIELDS.replySerial, "u", 77],
      ],
      "s",
      ["text"],
      little,
    ),
    signal("JobRemoved", "uoss", [6, "/org/freedesktop/systemd1/job/6", UNIT, "failed"]),
    reply(3, "o", [JOB]),
    signal("JobRemoved", "uoss", [7, JOB, UNIT, "done"]),
  ]);
}

test("thousands of damaged answers are refused, or say the same", () => {
  const files = [true, false].map((little) => {
    const file = path.join(directory, little ? "little" : "big");
    writeFileSync(file, answers(little));
    return file;
  });
  const ran = Bun.spawnSync([bus, `${SECONDS}`, `${SEED}`, UNIT, ...files], { env: SANITIZER_ENV });
  const out = `${ran.stdout}${ran.stderr}`;
  expect([ran.exitCode, out]).toEqual([0, expect.stringMatching(/^\d+ tried, \d+ done\n$/)]);
  const [tried = 0, done = 0] = out.match(/\d+/g)?.map(Number) ?? [];
  expect(tried).toBeGreaterThan(5000);
  // Both ways are taken: damage to a serial number or to a text that nobody reads is none.
  expect(done).toBeGreaterThan(100);
  expect(done).toBeLessThan(tried);
}, 120_000);
