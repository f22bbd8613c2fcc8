/** `org.systemd.property.NAME` annotations: properties for the container's unit, in the notation of gvariant-text(7). */
import { TsruncError } from "../../errors.ts";
import { token } from "../limits.ts";
import type { Property } from "./collect.ts";

export const ANNOTATION_PREFIX = "org.systemd.property.";

/**
 * Those that change how the container's own unit is ordered, ended and collected, and nothing else. Others can have
 * systemd run programs, switch the machine off (SuccessAction, FailureAction) or lift limits that the engine set.
 */
const TYPES: Readonly<Record<string, "t" | "i" | "b" | "s" | "as">> = {
  After: "as",
  Before: "as",
  CollectMode: "s",
  DefaultDependencies: "b",
  Description: "s",
  FinalKillSignal: "i",
  IPAccounting: "b",
  KillSignal: "i",
  ManagedOOMMemoryPressure: "s",
  ManagedOOMSwap: "s",
  OOMPolicy: "s",
  RuntimeMaxUSec: "t",
  SendSIGHUP: "b",
  SendSIGKILL: "b",
  TimeoutStopUSec: "t",
};

/** @throws TsruncError `config` for a property that may not be set, and for a value that cannot be read */
export function annotatedProperties(annotations: Readonly<Record<string, string>> = {}): readonly Property[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(ANNOTATION_PREFIX))
    .map(([key, text]) => property(key, text.trim()));
}

function property(key: string, text: string): Property {
  const given = key.slice(ANNOTATION_PREFIX.length);
  // As in unit files and in runc: seconds, for what the bus has in microseconds.
  const seconds = given.endsWith("Sec") && !given.endsWith("USec");
  const name = seconds ? `${given.slice(0, -3)}USec` : given;
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (type === undefined) {
    throw invalid(key, `property \`${given}\` may not be set`, `those that may are ${Object.keys(TYPES).join(", ")}`);
  }
  const value = parseValue(type, text, seconds ? 1e6 : 1);
  if (value === undefined) throw invalid(key, `\`${text}\` is no value of D-Bus type \`${type}\``);
  return { name, type, value, at: `/annotations/${token(key)}` };
}

function parseValue(type: "t" | "i" | "b" | "s" | "as", text: string, factor: number): Property["value"] | undefined {
  switch (type) {
    case "t":
      return unsigned(text, factor);
    case "i":
      return signed(text);
    case "b":
      return text === "true" ? true : text === "false" ? false : undefined;
    case "s":
      return quoted(text);
    case "as":
      return strings(text);
  }
}

/** Beyond what a double holds exactly, seconds with a fraction make no sense. */
function wholeText(value: number): string | undefined {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? `${rounded}` : undefined;
}

/** Those of 2^64. */
const MOST_DIGITS = 20;

function unsigned(text: string, factor: number): string | undefined {
  const digits = /^(?:(?:uint64|int64|uint32|int32|double|@t|@x) )?(\d+(?:\.\d+)?)$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  if (digits.includes(".")) return factor === 1 ? undefined : wholeText(Number(digits) * factor);
  if (digits.length > MOST_DIGITS) return undefined;
  const value = BigInt(digits) * BigInt(factor);
  return value < 1n << 64n ? `${value}` : undefined;
}

function signed(text: string): number | undefined {
  const digits = /^(?:(?:int32|uint32|@i) )?(-?\d{1,10})$/.exec(text)?.[1];
  return digits === undefined || Math.abs(Number(digits)) > 0x7fffffff ? undefined : Number(digits);
}

const STRING = /^(?:'([^'\\]*)'|"([^"\\]*)")$/;

function quoted(text: string): string | undefined {
  const match = STRING.exec(text);
  return match === null ? undefined : (match[1] ?? match[2]);
}

function strings(text: string): string[] | undefined {
  const inner = /^(?:@as )?\[(.*)\]$/.exec(text)?.[1]?.trim();
  if (inner === undefined) return undefined;
  if (inner === "") return [];
  const found = inner.split(",").map((word) => quoted(word.trim()));
  return found.every((word) => word !== undefined) ? found : undefined;
}

function invalid(key: string, message: string, hint?: string): TsruncError {
  return new TsruncError("config", `annotation \`${key}\`: ${message}`, { at: `/annotations/${token(key)}`, hint });
}
