/** Renders the op table as a C header; `generate-ops.ts` writes it to disk. */

export interface OpShape {
  readonly on: string;
  readonly args: Readonly<Record<string, string>>;
  readonly steps: readonly string[];
}

export type OpTable = Readonly<Record<string, OpShape>>;

const C_TYPES: Readonly<Record<string, string>> = {
  u64: "uint64_t",
  i64: "int64_t",
  slot: "int64_t",
  bool: "uint64_t",
  errnos: "uint64_t",
  str: "struct pstr",
  "str?": "struct pstr",
  text: "struct pstr",
  bytes: "struct pstr",
  strs: "struct pvec",
  texts: "struct pvec",
  dbus: "struct pstr",
};

const SIDES: Readonly<Record<string, string>> = { L: "OP_ON_LAUNCHER", I: "OP_ON_INIT", B: "OP_ON_BOTH" };

const C_KEYWORDS = new Set(
  "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split(
    " ",
  ),
);

const PRELUDE = `/* Made by scripts/generate-ops.ts from src/program/ops.ts: change the table there. */
#ifndef TSRUNC_OPS_H
#define TSRUNC_OPS_H
#include <stdint.h>

/* Every op starts with this head; one 8-byte word per operand follows it. */
struct op_head { uint16_t opcode; uint16_t flags; uint32_t index; };
/* A string in the blob: NUL-terminated there, len without the NUL; off 0 = absent. */
struct pstr { uint32_t off; uint32_t len; };
/* A list: off points at count struct pstr in the blob. */
struct pvec { uint32_t off; uint32_t count; };

enum op_side { OP_ON_LAUNCHER = 1, OP_ON_INIT = 2, OP_ON_BOTH = 3 };
`;

/** `putFile` → `put_file`. */
export function snakeCase(name: string): string {
  const snake = name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`).replaceAll(/[^a-z0-9]+/g, "_");
  return C_KEYWORDS.has(snake) ? `${snake}_` : snake;
}

function kindName(kind: string): string {
  return `KIND_${kind.replace("?", "_OPT").toUpperCase()}`;
}

function checkOp(name: string, op: OpShape): void {
  if (!(op.on in SIDES)) throw new Error(`op \`${name}\`: unknown side \`${op.on}\``);
  for (const [arg, kind] of Object.entries(op.args)) {
    if (!(kind in C_TYPES)) throw new Error(`op \`${name}\`: operand \`${arg}\` has unknown kind \`${kind}\``);
  }
  if (op.steps.length === 0) throw new Error(`op \`${name}\` names no step`);
  if (new Set(op.steps).size !== op.steps.length) throw new Error(`op \`${name}\` names a step twice`);
}

function enumOf(name: string, entries: readonly string[], first: number): string {
  return `enum ${name} {\n${entries.map((entry, i) => `  ${entry} = ${i + first},\n`).join("")}};\n`;
}

function structOf(name: string, op: OpShape): string {
  const snake = snakeCase(name);
  const fields = Object.entries(op.args).map(([arg, kind]) => ` ${C_TYPES[kind]} ${snakeCase(arg)};`);
  const size = 8 + 8 * fields.length;
  const upper = snake.toUpperCase();
  const steps = op.steps.map((step, i) => `STEP_${upper}_${snakeCase(step).toUpperCase()} = ${i}`);
  return (
    `struct op_${snake} { struct op_head head;${fields.join("")} };\n` +
    `_Static_assert(sizeof(struct op_${snake}) == ${size}, "op_${snake}");\n` +
    `enum { ${steps.join(", ")} };\n`
  );
}

function layoutsOf(ops: readonly (readonly [string, OpShape])[]): string {
  const most = Math.max(1, ...ops.map(([, op]) => Object.keys(op.args).length));
  const rows = ops.map(([name, op]) => {
    const kinds = Object.values(op.args);
    const list = kinds.length === 0 ? "0" : kinds.map(kindName).join(", ");
    const upper = snakeCase(name).toUpperCase();
    return `  [OP_${upper}] = { ${8 + 8 * kinds.length}, ${kinds.length}, ${SIDES[op.on]}, { ${list} } },\n`;
  });
  return (
    `#define OP_MAX_OPERANDS ${most}\n` +
    "/* By opcode; size in bytes with the head. Entry 0 is empty: no op has opcode 0. */\n" +
    "struct op_layout { uint16_t size; uint8_t operands; uint8_t on; uint8_t kinds[OP_MAX_OPERANDS]; };\n" +
    `static const struct op_layout op_layouts[OP_MAX] __attribute__((unused)) = {\n${rows.join("")}};\n`
  );
}

function handlersOf(macro: string, names: readonly string[]): string {
  const lines = names.map((name) => ` \\\n  X(${snakeCase(name).toUpperCase()}, ${snakeCase(name)})`);
  return `#define ${macro}(X)${lines.join("")}\n`;
}

/** The text of `ops.h`. */
export function opsHeader(table: OpTable, hash: number): string {
  const ops = Object.entries(table);
  for (const [name, op] of ops) checkOp(name, op);
  const opcodes = ops.map(([name]) => `OP_${snakeCase(name).toUpperCase()}`);
  const namesOn = (sides: string) => ops.filter(([, op]) => sides.includes(op.on)).map(([name]) => name);
  return [
    PRELUDE,
    `/* FNV-1a of the table: the protocol version. */\n#define OPS_HASH UINT32_C(0x${hash.toString(16).padStart(8, "0")})\n`,
    enumOf("opcode", [...opcodes, "OP_MAX"], 1),
    enumOf("operand_kind", Object.keys(C_TYPES).map(kindName), 0),
    ops.map(([name, op]) => structOf(name, op)).join(""),
    layoutsOf(ops),
    "/* X(UPPER, lower) for each op that side can be asked to do: declare, define and table the handlers with it. */",
    handlersOf("OPS_ALL", namesOn("LIB")),
    handlersOf("OPS_LAUNCHER", namesOn("LB")),
    handlersOf("OPS_INIT", namesOn("IB")),
    "#endif\n",
  ].join("\n");
}
