/** D-Bus through libsystemd's sd-bus (sd-bus(3)), one call after the other: the process has nothing else to do. */
import { TsruncError } from "../../errors.ts";
import { errnoName } from "../../sys/errno.ts";
import { type NativeArg, type NativeKind, openLibrary } from "../../sys/library.ts";
import type { BusAddress } from "./manager.ts";
import type { Property } from "./properties.ts";

const FUNCTIONS = {
  sd_bus_new: ["pointer"],
  sd_bus_set_address: ["u64", "pointer"],
  sd_bus_set_bus_client: ["u64", "int"],
  sd_bus_start: ["u64"],
  sd_bus_message_new_method_call: ["u64", "pointer", "pointer", "pointer", "pointer", "pointer"],
  sd_bus_message_append_basic: ["u64", "char", "pointer"],
  sd_bus_message_append_array: ["u64", "char", "pointer", "u64"],
  sd_bus_message_open_container: ["u64", "char", "pointer"],
  sd_bus_message_close_container: ["u64"],
  sd_bus_message_read_basic: ["u64", "char", "pointer"],
  sd_bus_message_is_signal: ["u64", "pointer", "pointer"],
  sd_bus_message_unref: ["u64"],
  sd_bus_call: ["u64", "u64", "u64", "pointer", "pointer"],
  sd_bus_get_property_string: ["u64", "pointer", "pointer", "pointer", "pointer", "pointer", "pointer"],
  sd_bus_process: ["u64", "pointer"],
  sd_bus_wait: ["u64", "u64"],
} as const satisfies Record<string, readonly NativeKind[]>;
const MEMORY = { strnlen: ["u64", "u64"], memcpy: ["pointer", "u64", "u64"] } as const;

export type Library = Readonly<
  Record<keyof typeof FUNCTIONS | keyof typeof MEMORY, (...args: readonly NativeArg[]) => number>
>;

/** @throws TsruncError `unsupported` where libsystemd cannot be loaded */
export function openSdBus(): Library {
  try {
    // libsystemd's own symbols come with those of the libc that it is linked with.
    return openLibrary("libsystemd.so.0", { ...FUNCTIONS, ...MEMORY });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new TsruncError("unsupported", `libsystemd cannot be loaded: ${reason}`, {
      hint: "install libsystemd0 (systemd-libs), or run without --systemd-cgroup",
      cause,
    });
  }
}

/** What the other side answered with instead of a result. */
export class BusError extends Error {
  /** Such as `org.freedesktop.systemd1.NoSuchUnit`; "" where there was no answer. */
  readonly code: string;
  readonly errno: string;

  constructor(code: string, message: string, errno: string) {
    super(message);
    this.code = code;
    this.errno = errno;
  }
}

export interface Bus {
  readonly library: Library;
  readonly handle: bigint;
  /** No message bus between: the manager itself is at the other end. */
  readonly peer: boolean;
}

/** @throws BusError with the errno */
export function connect(library: Library, { address, peer }: BusAddress): Bus {
  const out = new BigUint64Array(1);
  const must = (result: number) => {
    if (result < 0) throw new BusError("", `connect to \`${address}\``, errnoName(-result));
  };
  must(library.sd_bus_new(out));
  const handle = out[0] ?? 0n;
  must(library.sd_bus_set_address(handle, text(address)));
  must(library.sd_bus_set_bus_client(handle, peer ? 0 : 1));
  must(library.sd_bus_start(handle));
  return { library, handle, peer };
}

export interface Target {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
}

/** Appends arguments to a message; each method throws BusError. */
export interface Writer {
  string(value: string): void;
  bool(value: boolean): void;
  properties(properties: readonly Property[]): void;
  /** An empty array of the element type. */
  empty(elements: string): void;
}

/** Calls a method and waits for the answer. @returns the answer's first argument where it is a string or an object path */
export function callMethod(
  { library, handle }: Bus,
  target: Target,
  member: string,
  write: (writer: Writer) => void,
  answer: "s" | "o" | "" = "",
): string {
  const out = new BigUint64Array(1);
  const names = [target.destination, target.path, target.interface, member].map(text);
  check(member, library.sd_bus_message_new_method_call(handle, out, ...names));
  const message = out[0] ?? 0n;
  write(writerOf(library, message, member));
  const error = new BigUint64Array(3); // struct sd_bus_error: name, message, flag
  const result = library.sd_bus_call(handle, message, BigInt(CALL_TIMEOUT_US), error, out);
  if (result < 0) {
    const reason = readString(library, error[1] ?? 0n);
    throw new BusError(readString(library, error[0] ?? 0n), reason, errnoName(-result));
  }
  return answer === "" ? "" : readBasic(library, out[0] ?? 0n, answer);
}

const CALL_TIMEOUT_US = 25_000_000;

/** A property that is a string. @throws BusError */
export function stringProperty({ library, handle }: Bus, target: Target, name: string): string {
  const out = new BigUint64Array(1);
  const names = [target.destination, target.path, target.interface, name].map(text);
  const result = library.sd_bus_get_property_string(handle, ...names, null, out);
  check(name, result);
  return readString(library, out[0] ?? 0n);
}

/** Waits for a signal. `read` gets its arguments one by one and returns undefined for "not this one". */
export function awaitSignal<T>(
  { library, handle }: Bus,
  target: Target,
  member: string,
  timeoutMs: number,
  read: (next: (type: "u" | "s" | "o") => string) => T | undefined,
): T | undefined {
  const until = performance.now() + timeoutMs;
  const out = new BigUint64Array(1);
  const [face, name] = [text(target.interface), text(member)];
  for (let left = timeoutMs; left > 0; left = until - performance.now()) {
    out[0] = 0n;
    const worked = library.sd_bus_process(handle, out);
    check(member, worked);
    const message = out[0] ?? 0n;
    if (message !== 0n) {
      const meant = library.sd_bus_message_is_signal(message, face, name) > 0;
      const found = meant ? read((type) => readBasic(library, message, type)) : undefined;
      library.sd_bus_message_unref(message);
      if (found !== undefined) return found;
    } else if (worked === 0) check(member, library.sd_bus_wait(handle, BigInt(Math.ceil(left * 1000))));
  }
  return undefined;
}

function check(member: string, result: number): void {
  if (result < 0) throw new BusError("", member, errnoName(-result));
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

function char(type: string): number {
  return type.charCodeAt(0);
}

const LONGEST = 65_536n;

function readString(library: Library, address: bigint): string {
  if (address === 0n) return "";
  const bytes = Buffer.alloc(library.strnlen(address, LONGEST));
  if (bytes.length > 0) library.memcpy(bytes, address, BigInt(bytes.length));
  return bytes.toString();
}

function readBasic(library: Library, message: bigint, type: "u" | "s" | "o"): string {
  const out = new BigUint64Array(1);
  if (library.sd_bus_message_read_basic(message, char(type), out) <= 0) return "";
  return type === "u" ? `${out[0]}` : readString(library, out[0] ?? 0n);
}

function writerOf(library: Library, message: bigint, member: string): Writer {
  const must = (result: number) => check(member, result);
  const basic = (type: string, value: NodeJS.TypedArray) =>
    must(library.sd_bus_message_append_basic(message, char(type), value));
  const inside = (type: string, contents: string, write: () => void) => {
    must(library.sd_bus_message_open_container(message, char(type), text(contents)));
    write();
    must(library.sd_bus_message_close_container(message));
  };
  const array = (type: string, values: NodeJS.TypedArray) =>
    must(library.sd_bus_message_append_array(message, char(type), values, BigInt(values.byteLength)));
  const value = (property: Property) => {
    switch (property.type) {
      case "s":
        return basic("s", text(property.value));
      case "b":
        return basic("b", Int32Array.of(property.value ? 1 : 0));
      case "i":
        return basic("i", Int32Array.of(property.value));
      case "u":
        return basic("u", Uint32Array.of(property.value));
      case "t":
        return basic("t", BigUint64Array.of(BigInt(property.value)));
      case "ay":
        return array("y", Uint8Array.from(property.value));
      case "au":
        return array("u", Uint32Array.from(property.value));
      case "as":
        return inside("a", "s", () => {
          for (const item of property.value) basic("s", text(item));
        });
    }
  };
  return {
    string: (string) => basic("s", text(string)),
    bool: (bool) => basic("b", Int32Array.of(bool ? 1 : 0)),
    empty: (elements) => inside("a", elements, () => {}),
    properties: (properties) =>
      inside("a", "(sv)", () => {
        for (const property of properties) {
          inside("r", "sv", () => {
            basic("s", text(property.name));
            inside("v", property.type, () => value(property));
          });
        }
      }),
  };
}
