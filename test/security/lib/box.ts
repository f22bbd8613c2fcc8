/** Containers as small as can be, with programs of ours in them, for attacks that are repeated many times. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const CHECKOUT = path.join(import.meta.dirname, "../../..");
const TIMEOUT_MS = 15_000;
const TAG = `trust${process.pid.toString(36)}`;
export const DIRECTORY = mkdtempSync(`/tmp/${TAG}-`);
const COMMAND = (process.env.RUNTIME ?? path.join(CHECKOUT, "dist/tsrunc")).split(" ");
const ROOT = path.join(DIRECTORY, "state");

export type Json = { [key: string]: Json } | readonly Json[] | string | number | boolean | undefined;
export type Config = { [key: string]: Json };

export interface Outcome {
  /** Exit status; 128 and the signal's number where one ended it, -1 where it did not end in time. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A file of tests removes the directory when it is through, and the next one in the same process needs it again. */
function ready(): void {
  mkdirSync(DIRECTORY, { recursive: true });
}

/** A static program made from a C file of the checkout, without any library with `bare`. */
export function build(source: string, bare: boolean): string {
  ready();
  const target = path.join(DIRECTORY, path.basename(source, ".c"));
  if (existsSync(target)) return target;
  const flags = [
    "-std=gnu11",
    "-O2",
    "-static",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-o",
    target,
    path.join(CHECKOUT, source),
  ];
  const alone = ["-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie"];
  execFileSync("gcc", bare ? [...alone, ...flags] : flags, { stdio: "inherit" });
  return target;
}

let calls = 0;

/** Output goes to files: a container that is left would keep a pipe open. */
export async function call(words: readonly string[], wrap: readonly string[] = []): Promise<Outcome> {
  ready();
  const stem = path.join(DIRECTORY, `call${++calls}`);
  const files = [`${stem}.out`, `${stem}.err`] as const;
  const [out, err] = files.map((file) => openSync(file, "w")) as [number, number];
  const [command = "", ...rest] = [...wrap, ...COMMAND, "--root", ROOT, ...words];
  const child = spawn(command, rest, { stdio: ["ignore", out, err] });
  closeSync(out);
  closeSync(err);
  const status = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      resolve(-1);
    }, TIMEOUT_MS);
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 0));
    });
  });
  const [stdout, stderr] = files.map((file) => readFileSync(file, "utf8")) as [string, string];
  for (const file of files) rmSync(file);
  return { status, stdout, stderr };
}

let boxes = 0;

export class Box {
  readonly id = `${TAG}-${++boxes}`;
  readonly bundle = path.join(DIRECTORY, this.id);
  readonly output = `${this.bundle}.output`;

  /** `programs` are put into /bin of its root file system. */
  constructor(programs: readonly string[], config: Config) {
    for (const name of ["bin", "proc", "dev"]) mkdirSync(path.join(this.bundle, "rootfs", name), { recursive: true });
    for (const program of programs) {
      const inside = path.join(this.bundle, "rootfs/bin", path.basename(program));
      execFileSync("cp", [program, inside]);
    }
    this.save(config);
  }

  save(config: Config): void {
    writeFileSync(path.join(this.bundle, "config.json"), JSON.stringify(config));
  }

  async run(wrap: readonly string[] = []): Promise<Outcome> {
    return await call(["run", "--bundle", this.bundle, this.id], wrap);
  }

  /** What it prints goes to a file, which stays. */
  async create(wrap: readonly string[] = []): Promise<Outcome> {
    const shell = ["/bin/sh", "-c", `exec "$@" >${this.output} 2>&1`, "sh"];
    const { status } = await call(["create", "--bundle", this.bundle, this.id], [...shell, ...wrap]);
    return { status, stdout: "", stderr: status === 0 ? "" : this.printed() };
  }

  async start(wrap: readonly string[] = []): Promise<Outcome> {
    return await call(["start", this.id], wrap);
  }

  async exec(args: readonly string[], wrap: readonly string[] = []): Promise<Outcome> {
    return await call(["exec", this.id, ...args], wrap);
  }

  async pid(): Promise<number> {
    return (JSON.parse((await call(["state", this.id])).stdout) as { pid: number }).pid;
  }

  async delete(): Promise<void> {
    await call(["delete", "--force", this.id]);
  }

  printed(): string {
    return existsSync(this.output) ? readFileSync(this.output, "utf8") : "";
  }
}

export function removeAll(): void {
  rmSync(DIRECTORY, { recursive: true, force: true });
}
