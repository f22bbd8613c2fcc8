import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpTable, opsHeader, snakeCase } from "../../scripts/ops-header.ts";
import { opsHash } from "../../src/program/hash.ts";
import { OPS } from "../../src/program/ops.ts";

const table: OpTable = {
  first: { on: "L", args: { path: "str", isDefault: "bool", default: "u64" }, steps: ["open", "writeAll"] },
  putFile: { on: "B", args: { args: "strs", ignore: "errnos", fd: "slot" }, steps: ["put"] },
  last: { on: "I", args: {}, steps: ["last"] },
};

/** Compiles and runs a C program that includes the header; gives its output. */
function runC(header: string, main: string): string {
  const dir = mkdtempSync(join(tmpdir(), "tsrunc-ops-"));
  try {
    writeFileSync(join(dir, "ops.h"), header);
    writeFileSync(join(dir, "main.c"), `#include "ops.h"\n#include <stdio.h>\n${main}`);
    execFileSync("cc", ["-std=c11", "-Wall", "-Wextra", "-Werror", "-o", join(dir, "main"), join(dir, "main.c")]);
    return execFileSync(join(dir, "main"), { encoding: "utf8" });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("opcodes, steps and layouts reach C in table order", () => {
  const main = `int main(void) {
    printf("%d %d %d %d ", OP_FIRST, OP_PUT_FILE, OP_LAST, OP_MAX);
    printf("%d %d ", STEP_FIRST_WRITE_ALL, STEP_PUT_FILE_PUT);
    const struct op_layout *l = &op_layouts[OP_FIRST];
    printf("%d %d %d %d ", l->size, l->operands, l->on == OP_ON_LAUNCHER, l->kinds[2] == KIND_U64);
    printf("%zu %x", sizeof(struct op_put_file), (unsigned)OPS_HASH);
    return 0; }`;
  expect(runC(opsHeader(table, 0xbeef), main)).toBe("1 2 3 4 1 0 32 3 1 1 32 beef");
});

test("each side lists only the ops it can be asked to do", () => {
  const main = `#define X(upper, lower) printf(#lower ":%d ", OP_##upper);
  int main(void) { OPS_LAUNCHER(X) printf("| "); OPS_INIT(X) printf("| "); OPS_ALL(X) return 0; }`;
  expect(runC(opsHeader(table, 0), main)).toBe("first:1 put_file:2 | put_file:2 last:3 | first:1 put_file:2 last:3 ");
});

test("the real table compiles with warnings as errors", () => {
  const main = `int main(void) { printf("%d %x", OP_MAX - 1, (unsigned)OPS_HASH); return 0; }`;
  expect(runC(opsHeader(OPS, opsHash()), main)).toBe(`${Object.keys(OPS).length} ${opsHash().toString(16)}`);
});

test("a table that C could not express is refused by name", () => {
  const op = { on: "L", args: {}, steps: ["a"] };
  expect(() => opsHeader({ bad: { ...op, args: { x: "float" } } }, 0)).toThrow("operand `x` has unknown kind `float`");
  expect(() => opsHeader({ bad: { ...op, on: "X" } }, 0)).toThrow("unknown side `X`");
  expect(() => opsHeader({ bad: { ...op, steps: [] } }, 0)).toThrow("op `bad` names no step");
  expect(() => opsHeader({ bad: { ...op, steps: ["a", "a"] } }, 0)).toThrow("names a step twice");
});

test("names become C names, and keywords do not clash", () => {
  expect(["cgroupRemove", "mkdir", "default"].map(snakeCase)).toEqual(["cgroup_remove", "mkdir", "default_"]);
});

test("the hash changes with any part of the table and is the published FNV-1a", () => {
  // FNV-1a 32 of the two bytes `{}`, computed from the published offset basis and prime.
  expect(opsHash({})).toBe(Number(((((0x811c9dc5n ^ 0x7bn) * 0x1000193n) ^ 0x7dn) * 0x1000193n) & 0xffffffffn));
  expect(opsHash({ ...table, last: { on: "I", args: {}, steps: ["end"] } })).not.toBe(opsHash(table));
});
