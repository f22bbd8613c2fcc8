/**
 * Log lines in the two shapes of logrus that engines parse: containerd and conmon look for the last line of
 * level error in the `--log` file.
 *
 * Without `--log` every line goes to stderr. With it, lines go to the file, and an error is also said on stderr,
 * as the bare message.
 */

import * as fs from "node:fs";
import { absolutePath } from "../container/paths.ts";
import { TsruncError } from "../errors.ts";
import { errnoOf, errnoPhrase } from "../sys/errno.ts";

export type LogFormat = "text" | "json";
export type LogLevel = "error" | "warning" | "debug";

export interface LogOptions {
  /** Path of the log file, also with the prefix `file:`; undefined is stderr. */
  readonly path?: string | undefined;
  readonly format: LogFormat;
  readonly debug: boolean;
}

export interface Log {
  readonly path: string | undefined;
  readonly format: LogFormat;
  error(message: string): void;
  warn(message: string): void;
  /** Nothing without `--debug`. `time`: when it was, by default now. */
  debug(message: string, time?: Date): void;
}

const STDOUT = 1;
const STDERR = 2;

/** @throws TsruncError `io` when the file cannot be opened for appending. */
export function openLog(options: LogOptions): Log {
  const path = options.path?.startsWith("file:") === true ? options.path.slice(5) : options.path;
  const fd = path === undefined ? STDERR : openFile(absolutePath(path, "flag `--log`"));
  const { format } = options;
  function write(level: LogLevel, message: string, time = new Date()): void {
    try {
      writeAll(fd, logLine(format, level, message, time));
    } catch {
      // Nobody is left to be told.
    }
  }
  return {
    path,
    format,
    error(message) {
      write("error", message);
      if (fd !== STDERR) printError(message);
    },
    warn(message) {
      write("warning", message);
    },
    debug(message, time) {
      if (options.debug) write("debug", message, time);
    },
  };
}

function openFile(path: string): number {
  try {
    return fs.openSync(path, "a", 0o644);
  } catch (error) {
    const errno = errnoOf(error);
    throw new TsruncError("io", `open log file \`${path}\`: ${errnoPhrase(errno)}`, { errno, cause: error });
  }
}

/** One line, with the line feed; keys and quoting as logrus has them. */
export function logLine(format: LogFormat, level: LogLevel, message: string, time: Date): string {
  const stamp = `${time.toISOString().slice(0, 19)}Z`;
  if (format === "json") return `${JSON.stringify({ level, msg: message, time: stamp })}\n`;
  return `time="${stamp}" level=${level} msg=${quoteText(message)}\n`;
}

/** Bare when it is one plain word, else as Go's %q. */
function quoteText(text: string): string {
  if (/^[\w\-./@^+]+$/.test(text)) return text;
  const escaped = text.replaceAll(/["\\]/g, "\\$&").replaceAll(/[\u0000-\u001f\u007f]/g, escapeControl);
  return `"${escaped}"`;
}

function escapeControl(char: string): string {
  if (char === "\n") return "\\n";
  if (char === "\t") return "\\t";
  if (char === "\r") return "\\r";
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** Writes to stdout, whole. */
export function print(text: string): void {
  writeAll(STDOUT, text);
}

/** Writes a line to stderr, and does not mind when that is closed. */
export function printError(line: string): void {
  try {
    writeAll(STDERR, `${line}\n`);
  } catch {
    // Nobody is left to be told.
  }
}

function writeAll(fd: number, text: string): void {
  // The string itself first: making a Buffer costs 0.1 ms at start, and a short write to a pipe is rare.
  const length = Buffer.byteLength(text);
  let written = writeSome(fd, text);
  if (written === length) return;
  const bytes = Buffer.from(text);
  while (written < length) written += writeSome(fd, bytes.subarray(written));
}

function writeSome(fd: number, data: string | Uint8Array): number {
  try {
    return typeof data === "string" ? fs.writeSync(fd, data) : fs.writeSync(fd, data);
  } catch (error) {
    // A pipe that its other end has made non-blocking: wait for the reader.
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    return 0;
  }
}
