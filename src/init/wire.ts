/** What the library and `tsrunc-init serve` say to each other: `struct request` and `struct answer` of native/serve.c. */
import { LITTLE } from "../sys/endian.ts";

const REQUEST_SIZE = 48;
const ANSWER_SIZE = 24;
const EXECUTE = 1;
const WATCH = 2;
const ANSWERS = ["", "done", "exit", "gone"] as const;

/** In the place of a descriptor of the client's. */
export const STDIO_INHERIT = -1;
export const STDIO_NULL = -2;

export interface ExecuteRequest {
  /** What {@link encode} makes of a program. */
  readonly program: Uint8Array;
  readonly cwd: string;
  /** Descriptors of this process, or {@link STDIO_INHERIT}, {@link STDIO_NULL}. */
  readonly stdio: readonly [number, number, number];
}

export interface Answer {
  /** `done`: a program, `gone`: a process that was watched; `exit`: a child that nobody asked about. */
  readonly kind: (typeof ANSWERS)[number];
  /** Of the request; 0 for `exit`. */
  readonly id: number;
  /** Exit status, or minus the number of the signal. */
  readonly status: number;
  /** Errno for what could not even be tried, else 0. */
  readonly errno: number;
  readonly pid: number;
  readonly reports: Buffer;
}

export function executeRequest(id: number, { program, cwd, stdio }: ExecuteRequest): Buffer {
  const length = Buffer.byteLength(cwd) + 1;
  const bytes = Buffer.allocUnsafe(REQUEST_SIZE + length + program.length).fill(0, 0, REQUEST_SIZE + length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, REQUEST_SIZE);
  view.setUint32(0, EXECUTE, LITTLE);
  view.setUint32(4, id, LITTLE);
  view.setUint32(8, length, LITTLE);
  view.setUint32(12, program.length, LITTLE);
  for (const [i, fd] of stdio.entries()) view.setInt32(16 + 4 * i, fd, LITTLE);
  bytes.write(cwd, REQUEST_SIZE);
  bytes.set(program, REQUEST_SIZE + length);
  return bytes;
}

export function watchRequest(id: number, pid: number, startTime: number): Buffer {
  const bytes = Buffer.alloc(REQUEST_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, REQUEST_SIZE);
  view.setUint32(0, WATCH, LITTLE);
  view.setUint32(4, id, LITTLE);
  view.setBigUint64(32, BigInt(pid), LITTLE);
  view.setBigUint64(40, BigInt(startTime), LITTLE);
  return bytes;
}

/** Cuts what arrives, in whatever pieces, into answers. */
export class AnswerReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Answer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const answers: Answer[] = [];
    let at = 0;
    while (at + ANSWER_SIZE <= bytes.length) {
      const end = at + ANSWER_SIZE + view.getUint32(at + 20, LITTLE);
      if (end > bytes.length) break;
      answers.push({
        kind: ANSWERS[view.getUint32(at, LITTLE)] ?? "",
        id: view.getUint32(at + 4, LITTLE),
        status: view.getInt32(at + 8, LITTLE),
        errno: view.getInt32(at + 12, LITTLE),
        pid: view.getUint32(at + 16, LITTLE),
        reports: bytes.subarray(at + ANSWER_SIZE, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return answers;
  }
}
