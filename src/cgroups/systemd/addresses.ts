/** Where a D-Bus connection can be made: addresses as D-Bus writes them (D-Bus specification, "Server Addresses"). */
import { TsruncError } from "../../errors.ts";

/** One way to a manager, as it is kept in state.json. `peer`: the manager's own socket, with no message bus between. */
export interface BusAddress {
  /** `unix:path=/run/x;unix:abstract=y`. */
  readonly address: string;
  readonly peer: boolean;
}

/** Sockets in the notation of the op `busCall`: a path, or `@name` of an abstract socket. */
export interface Sockets {
  readonly peers: readonly string[];
  readonly buses: readonly string[];
}

/** @throws TsruncError `unsupported` where nothing of it is a Unix socket */
export function socketsOf(addresses: readonly BusAddress[]): Sockets {
  const sockets = (peer: boolean) =>
    addresses.filter((one) => one.peer === peer).flatMap(({ address }) => address.split(";").flatMap(socketOf));
  const found = { peers: sockets(true), buses: sockets(false) };
  if (found.peers.length + found.buses.length > 0) return found;
  const given = addresses.map(({ address }) => `\`${address}\``).join(", ");
  throw new TsruncError("unsupported", `D-Bus address ${given} names no Unix socket`, {
    hint: "DBUS_SYSTEM_BUS_ADDRESS and DBUS_SESSION_BUS_ADDRESS may be `unix:path=/PATH` or `unix:abstract=NAME`",
  });
}

/** Other transports than Unix sockets are passed over: several addresses are alternatives. */
function socketOf(address: string): string[] {
  if (!address.startsWith("unix:")) return [];
  for (const pair of address.slice("unix:".length).split(",")) {
    const at = pair.indexOf("=");
    const [key, value] = [pair.slice(0, at), unescapeValue(pair.slice(at + 1))];
    if (value === undefined || value === "" || value.includes("\0")) continue;
    if (key === "path" && value.startsWith("/")) return [value];
    if (key === "abstract") return [`@${value}`];
  }
  return [];
}

/** `%20` stands for a byte; undefined where an escape is broken. */
function unescapeValue(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The address of a socket with a path. */
export function pathAddress(path: string): string {
  const escaped = path.replaceAll(/[^-0-9A-Za-z_/.\\*]/g, (c) =>
    [...Buffer.from(c)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  );
  return `unix:path=${escaped}`;
}
