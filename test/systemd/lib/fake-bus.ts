/** The other end of a D-Bus connection, as a test wants it to behave: a message bus, or systemd's own socket. */
import * as net from "node:net";
import { FIELDS, LITTLE_ENDIAN, message, type Value } from "../../../src/dbus/marshal.ts";
import { type Message, readMessage } from "../../../src/dbus/unmarshal.ts";

const REPLY = 2;
const ERROR = 3;
const SIGNAL = 4;
/** The name of systemd's own connection, as a message bus gives it. */
export const OWNER = ":1.0";

/** One connection of a client. */
export class Peer {
  readonly messages: Message[] = [];
  /** The authentication as it came. */
  auth = "";
  /** How often the client sent something after it had been answered: its round trips. */
  turns = 0;
  little = LITTLE_ENDIAN;
  #bytes = Buffer.alloc(0);
  #answered = true;
  #serial = 0;
  readonly #socket: net.Socket;

  constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  raw(bytes: Uint8Array | string): void {
    this.#answered = true;
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.end();
  }

  reply(to: Message, signature = "", body: readonly Value[] = [], sender = OWNER): void {
    this.#send(
      REPLY,
      [
        [FIELDS.replySerial, "u", to.serial],
        [FIELDS.sender, "s", sender],
      ],
      signature,
      body,
    );
  }

  error(to: Message, name: string, text: string): void {
    const fields = [
      [FIELDS.errorName, "s", name],
      [FIELDS.replySerial, "u", to.serial],
    ] as const;
    this.#send(ERROR, fields, "s", [text]);
  }

  signal(member: string, signature: string, body: readonly Value[], sender = OWNER): void {
    const fields = [
      [FIELDS.path, "o", "/org/freedesktop/systemd1"],
      [FIELDS.interface, "s", "org.freedesktop.systemd1.Manager"],
      [FIELDS.member, "s", member],
      [FIELDS.sender, "s", sender],
    ] as const;
    this.#send(SIGNAL, fields, signature, body);
  }

  jobRemoved(job: string, unit: string, result: string, sender = OWNER): void {
    this.signal("JobRemoved", "uoss", [7, job, unit, result], sender);
  }

  #send(
    type: number,
    fields: readonly (readonly [number, string, Value])[],
    signature: string,
    body: readonly Value[],
  ): void {
    this.raw(message(type, ++this.#serial, fields, signature, body, this.little));
  }

  /** What arrived, cut into authentication and messages. */
  take(chunk: Buffer, onAuth: (peer: Peer) => void, onCall: (call: Message, peer: Peer) => void): void {
    if (this.#answered) this.turns++;
    this.#answered = false;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.auth === "") {
      const end = this.#bytes.indexOf("BEGIN\r\n");
      if (end < 0) return;
      this.auth = this.#bytes.toString("latin1", 0, end + 7);
      this.#bytes = this.#bytes.subarray(end + 7);
      onAuth(this);
    }
    // All that came together is read before any of it is answered.
    const calls: Message[] = [];
    for (let call = readMessage(this.#bytes); call !== undefined; call = readMessage(this.#bytes)) {
      this.#bytes = this.#bytes.subarray(call.size);
      calls.push(call);
    }
    this.messages.push(...calls);
    for (const call of calls) onCall(call, this);
  }
}

export interface Behaviour {
  /** By default it accepts. */
  readonly auth?: (peer: Peer, connection: number) => void;
  readonly call?: (member: string, call: Message, peer: Peer, connection: number) => void;
}

export interface FakeBus {
  readonly path: string;
  readonly peers: readonly Peer[];
  close(): Promise<void>;
}

export const accept = (peer: Peer) => peer.raw("DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n");

export async function fakeBus(path: string, behaviour: Behaviour): Promise<FakeBus> {
  const peers: Peer[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const peer = new Peer(socket);
    const number = peers.push(peer);
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) =>
      peer.take(
        chunk,
        () => (behaviour.auth ?? accept)(peer, number),
        (call) => behaviour.call?.(memberOf(call), call, peer, number),
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    peers,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export function memberOf(call: Message): string {
  return `${call.fields.get(FIELDS.member)}`;
}

export const JOB = "/org/freedesktop/systemd1/job/7";

/** A systemd that does what it is asked, behind a message bus or not. */
export function obey(unit: string): NonNullable<Behaviour["call"]> {
  return (member, call, peer) => {
    if (member === "Hello") peer.reply(call, "s", [":1.42"]);
    else if (member === "StartTransientUnit" || member === "StopUnit") {
      peer.reply(call, "o", [JOB]);
      peer.jobRemoved(JOB, unit, "done");
    } else peer.reply(call);
  };
}
