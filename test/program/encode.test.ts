import { expect, test } from "bun:test";
import { OPS_HASH } from "../../src/generated/ops-hash.ts";
import { compileCreate } from "../../src/program/compile.ts";
import { encode } from "../../src/program/encode.ts";
import { OPS, type Op } from "../../src/program/ops.ts";
import type { Envelope, Program } from "../../src/program/program.ts";
import { decode } from "./decode.ts";
import { compileInput, programs, small } from "./programs.ts";

const ENVELOPE: Envelope = { reporter: ["/proc/self/exe", "__report"], context: '{"a":"ä"}', timings: false };

/** What C will see of an operand. */
function expected(kind: string, value: unknown): unknown {
  if (kind === "u64") return BigInt.asUintN(64, BigInt(value as number | bigint));
  if (kind === "i64" || kind === "slot") return BigInt.asIntN(64, BigInt(value as number | bigint));
  return kind === "bytes" || kind === "dbus" ? Buffer.from(value as Uint8Array).toString("hex") : value;
}

function expectedOp(op: Op, index: number): object {
  const values = op as unknown as Readonly<Record<string, unknown>>;
  const operands = Object.entries(OPS[op.op].args).map(([name, kind]) => [name, expected(kind, values[name])]);
  const flags = { orElse: op.orElse === true, quiet: op.quiet === true };
  return { op: op.op, index, ...flags, operands: Object.fromEntries(operands) };
}

function checkRoundTrip(program: Program): void {
  const bytes = encode(program, ENVELOPE);
  const decoded = decode(bytes);
  expect(decoded).toMatchObject({ magic: 0x50525354, hash: OPS_HASH, size: bytes.length, flags: 0, fault: [0, 0, 0] });
  expect(decoded).toMatchObject({ reporter: ENVELOPE.reporter, context: ENVELOPE.context });
  expect([decoded.keepFds, decoded.cleanupFrom]).toEqual([program.keepFds, program.cleanupFrom]);
  expect(decoded.lists).toEqual(
    [program.launcher, program.init, program.cleanup].map((l) => l.map(expectedOp)) as never,
  );
}

test.each([...programs()])("%s: every operand can be read back", (_, program) => {
  checkRoundTrip(program);
});

function only(...init: Op[]): Program {
  return { launcher: [], init, cleanup: [], cleanupFrom: 0, keepFds: 0 };
}

test("numbers of all sizes and signs", () => {
  const limit = (soft: number | bigint, hard: number | bigint): Op => ({ op: "rlimit", resource: 7, soft, hard });
  checkRoundTrip(
    only(
      limit(0, 2 ** 32 - 1),
      limit(2 ** 32, 2 ** 53 - 1),
      limit((1n << 64n) - 1n, (1n << 63n) + 5n),
      { op: "mkdir", path: "/a", mode: 0o755, parents: true, existOk: false, uid: -1, gid: -(2 ** 31) },
      { op: "setns", slot: -1, flags: 0x7e020080 },
    ),
  );
});

test("empty lists, absent and empty strings, bytes, several errnos, flags", () => {
  checkRoundTrip(
    only(
      { op: "prepareExec", argv: [], env: [] },
      { op: "prepareExec", argv: ["", "ä", "x"], env: ["A=", "A="], orElse: true },
      {
        op: "remount",
        dest: "/",
        set: 0,
        clear: 0,
        recursiveSet: 0,
        recursiveClear: 0,
        propagation: 0,
        data: undefined,
      },
      {
        op: "remount",
        dest: "",
        set: 0,
        clear: 0,
        recursiveSet: 0,
        recursiveClear: 0,
        propagation: 0,
        data: "",
        quiet: true,
      },
      { op: "affinity", mask: new Uint8Array(0) },
      { op: "affinity", mask: new Uint8Array([1, 0, 0, 255]) },
      { op: "procSelf", file: "f", text: "t", ignore: ["EPERM", "ENOENT", "EKEYREJECTED", "ENOSYS"] },
    ),
  );
});

test("a program larger than the first buffer", () => {
  const texts = Array.from({ length: 3000 }, (_, i) => `variable${i}=${"v".repeat(i % 50)}`);
  checkRoundTrip(only({ op: "prepareExec", argv: ["x".repeat(100_000)], env: texts }));
});

test("faults and timings", () => {
  const at = (list: "launcher" | "init" | "cleanup", errno: string) =>
    decode(encode(only(), { ...ENVELOPE, timings: true, fault: { list, index: 300, errno } }));
  expect(at("init", "EIO")).toMatchObject({ flags: 1, fault: [1, 300, 5] });
  expect(at("cleanup", "KILL").fault).toEqual([2, 300, 65535]);
});

test("errnos: at most four, and only those that Linux has", () => {
  const ignoring = (...ignore: string[]) => encode(only({ op: "keyring", name: "k", ignore }), ENVELOPE);
  expect(() => ignoring("EPERM", "EIO", "ENOENT", "EBADF", "EINVAL")).toThrow(RangeError);
  expect(() => ignoring("ENONSENSE")).toThrow("unknown errno ENONSENSE");
});

test("the state that hooks read is in a program once for all hooks of a kind", () => {
  const spec = {
    ...small(["pid", "mount"]),
    annotations: { long: "x".repeat(100_000) },
    hooks: { createRuntime: Array.from({ length: 50 }, () => ({ path: "/bin/true" })) },
  };
  const program = compileCreate(compileInput(spec));
  const bytes = encode(program, { reporter: [], context: "{}", timings: false });
  expect(bytes.length).toBeLessThan(300_000);
  const inputs = decode(bytes)
    .lists[0]?.filter(({ op }) => op === "spawn")
    .map(({ operands }) => operands.input);
  expect(inputs).toHaveLength(50);
  expect(new Set(inputs)).toEqual(new Set(program.launcher.flatMap((op) => (op.op === "spawn" ? [op.input] : []))));
});
