/** Programs for people (one line per op) and for other programs (JSON). Both know of ops only what the table says. */

import { callText, readMessages } from "../dbus/unmarshal.ts";
import { LISTS, MOUNT_FLAGS, OPS, type Op, PID, PID_PLACE, START } from "./ops.ts";
import type { ListName, Program } from "./program.ts";
import { symbolic } from "./symbols.ts";

type Value = unknown;
/** What is printed of a program. */
type Printed = Pick<Program, ListName | "keepFds">;

/** One block per list of ops; a line has the op's index, its name, its operands and the part of config.json it came from. */
export function programText(program: Printed): string {
  const lists = LISTS.filter((list) => program[list].length > 0);
  return lists.map((list) => `${list}:\n${program[list].map(opLine).join("")}`).join("\n");
}

function opLine(op: Op, index: number): string {
  const words = operandsOf(op).flatMap(([name, kind, value]) => operandText(styleOf(op), name, kind, value));
  if (op.quiet === true) words.push("quiet");
  if (op.orElse === true) words.push("or-else");
  if (op.orElse === "forbidden") words.push("or-else-if-forbidden");
  const origin = [op.what, op.at].filter((text) => text !== undefined && text !== "");
  const line = `${String(index).padStart(4)}  ${op.op.padEnd(15)} ${words.join(" ")}`.trimEnd();
  return `${origin.length === 0 ? line : `${line}  # ${origin.join(" ")}`}\n`;
}

/** The name under which symbols.ts knows the operands: `attr` of a mount by mount(2) holds other bits. */
function styleOf(op: Op): string {
  return op.op === "mount" && (Number(op.flags) & MOUNT_FLAGS.classic) !== 0 ? "classicMount" : op.op;
}

/** Name, kind and value of each operand, in the table's order. */
function operandsOf(op: Op): [string, string, Value][] {
  const values = op as unknown as Readonly<Record<string, Value>>;
  return Object.entries(OPS[op.op].args).map(([name, kind]) => [name, kind, values[name]]);
}

function operandText(op: string, name: string, kind: string, value: Value): string[] {
  if (value === undefined || value === false) return [];
  if (kind === "bool") return [name];
  if (kind === "errnos" || kind === "slot") {
    if (Array.isArray(value) ? value.length === 0 : value === -1) return [];
    return [`${name}=${String(value)}`];
  }
  if (kind === "u64" || kind === "i64") {
    const text = symbolic(op, name, BigInt(value as number | bigint));
    return text === "" ? [] : [`${name}=${text}`];
  }
  if (kind === "dbus") return callTexts(value as Uint8Array).map((text) => `${name}=${text}`);
  if (kind === "bytes" && (value as Uint8Array).length === 0) return [];
  if (kind === "bytes") return [`${name}=<${(value as Uint8Array).length} bytes>`];
  if (Array.isArray(value)) return [`${name}=[${value.map((item) => quote(String(item))).join(" ")}]`];
  return [`${name}=${quote(String(value))}`];
}

/** What D-Bus messages say, with the pid that is put into them when they are sent. */
function callTexts(messages: Uint8Array): string[] {
  return readMessages(messages).map((message) =>
    callText(message).replace(`["PIDs", [${PID_PLACE}]]`, '["PIDs", [{pid}]]'),
  );
}

/** Bare if it cannot be misread, else in quotes; markers are shown as what they will become. */
function quote(text: string): string {
  const shown = text.replaceAll(PID, "{pid}").replaceAll(START, "{start}");
  if (/^[^\s"'#[\]\u0000-\u001f]+$/.test(shown)) return shown;
  // JSON reads badly with its quotes escaped.
  return /['\\\u0000-\u001f]/.test(shown) ? JSON.stringify(shown) : `'${shown}'`;
}

/** The same as plain data: 64-bit numbers that a double cannot hold as decimal strings, bytes in base64. */
export function programJson(program: Printed): Record<ListName, readonly object[]> & { keepFds: number } {
  const { launcher, init, cleanup, keepFds } = program;
  return { launcher: launcher.map(opJson), init: init.map(opJson), cleanup: cleanup.map(opJson), keepFds };
}

function opJson(op: Op): object {
  const kinds: Readonly<Record<string, string>> = OPS[op.op].args;
  return Object.fromEntries(
    Object.entries(op).map(([key, value]) => [
      key,
      kinds[key] === "dbus" ? callTexts(value as Uint8Array) : jsonValue(value),
    ]),
  );
}

function jsonValue(value: Value): Value {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value;
}
