/** `tsrunc-init serve` as a child of this process: a program costs a fork of a small process, not the start of one. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { TsruncError } from "../errors.ts";
import { initPath } from "./executable.ts";
import { type Report, readReports } from "./report.ts";
import { type Answer, AnswerReader, type ExecuteRequest, executeRequest, watchRequest } from "./wire.ts";

/** The descriptor at which the server has its end of the socket. */
const CLIENT = 3;
const CLOSED = "the runtime was closed";

/** A container's process that is a child of the server now. */
export interface ServedChild {
  readonly pid: number;
  readonly startTime: number;
  /** Exit status, 128+N for a signal; undefined when the server went before it. */
  readonly exit: Promise<number | undefined>;
}

/** What became of a program. */
export interface Done {
  /** Exit status of the launcher, or minus the number of a signal. */
  readonly status: number;
  /** Errno where there could be no launcher, else 0. */
  readonly errno: number;
  readonly reports: readonly Report[];
  /** The process that a program made and left running. */
  readonly child: ServedChild | undefined;
}

interface Pending {
  readonly watches: boolean;
  readonly resolve: (done: Done) => void;
  readonly reject: (error: TsruncError) => void;
}

type Unreferenced = Duplex & { ref(): void; unref(): void };

export class InitServer {
  readonly #process: ChildProcess;
  readonly #socket: Unreferenced;
  readonly #reader = new AnswerReader();
  readonly #pending = new Map<number, Pending>();
  /** By pid: who waits for the exit of a child. A pid is not given to another process before its exit was told. */
  readonly #children = new Map<number, (status: number | undefined) => void>();
  readonly #ended: Promise<void>;
  #next = 1;
  #holds = 0;
  #alive = true;
  /** Why not, if it is not. */
  #why = "";
  readonly #onIdle: (() => void)[] = [];

  /** Starts a server; it ends with this process, whatever becomes of that. @throws TsruncError `io` */
  constructor() {
    // No variable of this process is anything to the server: programs bring the environment of hooks and containers.
    this.#process = spawn(initPath(), ["serve"], {
      argv0: "tsrunc-init",
      stdio: ["inherit", "inherit", "inherit", "pipe"],
      env: {},
    });
    this.#socket = this.#process.stdio[CLIENT] as Unreferenced;
    this.#ended = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        this.#lost(signal ?? `status ${code}`);
        resolve();
      });
      this.#process.once("error", (error) => {
        this.#lost((error as NodeJS.ErrnoException).code ?? error.message);
        resolve();
      });
    });
    this.#socket.on("data", (chunk: Buffer) => {
      for (const answer of this.#reader.push(chunk)) this.#take(answer);
    });
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.#lost(error.code ?? error.message));
    this.#socket.on("close", () => this.#lost("its socket was closed"));
    this.#process.unref();
    this.#socket.unref();
  }

  /** Whether it takes requests. */
  get alive(): boolean {
    return this.#alive;
  }

  /** Whether it takes none because of {@link close}. */
  get closed(): boolean {
    return this.#why === CLOSED;
  }

  /** Executes a program in a launcher of its own. @throws TsruncError `io` when the server ends before the launcher */
  execute(request: ExecuteRequest): Promise<Done> {
    return this.hold(this.#ask((id) => executeRequest(id, request), false));
  }

  /**
   * Waits until that process has ended, also if it is not the server's child. Does not {@link hold} this process.
   *
   * @throws TsruncError `io`
   */
  async watch({ pid, startTime }: { readonly pid: number; readonly startTime: number }): Promise<void> {
    await this.#ask((id) => watchRequest(id, pid, startTime), true);
  }

  /** Keeps this process from ending until the promise is settled. */
  async hold<T>(promise: Promise<T>): Promise<T> {
    if (this.#holds++ === 0) this.#socket.ref();
    try {
      return await promise;
    } finally {
      if (--this.#holds === 0) this.#socket.unref();
    }
  }

  /** Ends the server when all programs are done. What was waited for is given up. */
  async close(): Promise<void> {
    for (const [id, { watches, reject }] of this.#pending) {
      if (!watches) continue;
      this.#pending.delete(id);
      reject(new TsruncError("io", CLOSED));
    }
    if (this.#pending.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    this.#alive = false;
    this.#why = CLOSED;
    this.#socket.end();
    this.#process.ref();
    await this.#ended;
  }

  #ask(request: (id: number) => Buffer, watches: boolean): Promise<Done> {
    if (!this.#alive) return Promise.reject(new TsruncError("io", this.#why));
    const id = this.#next++ >>> 0;
    const answer = new Promise<Done>((resolve, reject) => this.#pending.set(id, { watches, resolve, reject }));
    this.#socket.write(request(id));
    return answer;
  }

  #take({ kind, id, pid, status, errno, reports }: Answer): void {
    if (kind === "exit") {
      this.#children.get(pid)?.(status < 0 ? 128 - status : status);
      this.#children.delete(pid);
      return;
    }
    const told = reports.length === 0 ? [] : readReports(reports, 0);
    // Also where nobody waits any more: the exit of the child comes next.
    const child = this.#childOf(told);
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.resolve({ status, errno, child, reports: told });
    this.#idle();
  }

  #childOf(reports: readonly Report[]): ServedChild | undefined {
    const report = reports.find(({ kind }) => kind === "child");
    if (report === undefined) return undefined;
    const exit = new Promise<number | undefined>((resolve) => this.#children.set(report.aux, resolve));
    return { pid: report.aux, startTime: Number(report.startNs), exit };
  }

  #lost(why: string): void {
    if (this.#alive) this.#why = `tsrunc-init has ended: ${why}`;
    this.#alive = false;
    const error = new TsruncError("io", this.#why);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#idle();
    for (const resolve of this.#children.values()) resolve(undefined);
    this.#children.clear();
  }

  #idle(): void {
    if (this.#pending.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
