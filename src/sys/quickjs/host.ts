/** What the C part of the standalone executable (native/engine) offers to TypeScript: the global object `host`. */

export type Word = number | string | Uint8Array;

/** How bytes become text; `bytes` leaves them. */
export const UTF8 = 0;
export const LATIN1 = 1;
export const BYTES = 2;

export type FileConstants = Readonly<
  Record<
    | "O_RDONLY"
    | "O_WRONLY"
    | "O_RDWR"
    | "O_CREAT"
    | "O_EXCL"
    | "O_TRUNC"
    | "O_APPEND"
    | "O_NONBLOCK"
    | "O_NOFOLLOW"
    | "O_DIRECTORY"
    | "O_CLOEXEC"
    | "O_PATH"
    | "S_IFMT"
    | "S_IFDIR"
    | "S_IFREG"
    | "S_IFLNK",
    number
  >
>;

export interface Host {
  /** Of QuickJS. */
  readonly version: string;
  /** Node's name of the architecture. */
  readonly arch: string;
  /** The numbers of system calls on this architecture. */
  readonly calls: Readonly<Record<string, number>>;
  /** Constants of fcntl.h and sys/stat.h, which differ between architectures. */
  readonly files: FileConstants;
  readonly signals: Readonly<Record<string, number>>;
  /** A system call; text is handed over in UTF-8 and NUL-terminated. The result, or -errno. */
  syscall(number: number, ...words: readonly Word[]): number;
  /** A whole file, by path or descriptor; -errno on failure. */
  readFile(source: string | number, encoding: number): string | ArrayBuffer | number;
  decode(bytes: Uint8Array, start: number, end: number, encoding: number): string;
  byteLength(text: string): number;
  /** Whether there are so many decimal digits in a row. */
  hasDigits(text: string, count: number): boolean;
  /** The descriptor of a file in memory with these bytes, and room behind them, that no limit on sizes applies to; -errno. */
  mapping(bytes: Uint8Array, room: number): number;
  /** Whether a JSON text may have names that are one of these words, of which blanks lie between, but for case. */
  hasOtherCase(text: string, words: string): boolean;
  /** Writes UTF-8; the number of bytes, or -1 where there is no room for all. */
  encode(text: string, bytes: Uint8Array, at: number): number;
  /** Name and d_type in turn, of all entries of a directory but `.` and `..`; -errno on failure. */
  list(path: string): readonly (string | number)[] | number;
  /** Returns only on failure: -errno. Without `env` the variables are this process's, byte for byte. */
  execve(path: string, args: readonly string[], env?: readonly string[]): number;
  /**
   * Runs a program that is found by PATH, with this process's environment and with nothing to read, to its end: exit
   * status, or minus the number of the signal that ended it, and what it wrote. -errno where it could not be started,
   * or wrote more than `most` bytes to one of the two (ENOBUFS).
   */
  run(args: readonly string[], most: number): readonly [status: number, stdout: string, stderr: string] | number;
  /** A descriptor of a private, sealed copy of tsrunc-init that can be executed, or -errno. */
  copyInit(): number;
  argv(): string[];
  environ(): string[];
  /** Nanoseconds of a clock of clock_gettime(2). */
  clock(id: number): number;
  /**
   * Writes an op's operands from `at` on and their texts from `end` on, by codes: see src/program/encode.ts. The new end, or
   * -1 where there is not enough room.
   */
  pack(bytes: Uint8Array, at: number, end: number, op: object, names: readonly string[], codes: Uint8Array): number;
  exit(status: number): never;
}

export const host = (globalThis as unknown as { readonly host: Host }).host;
