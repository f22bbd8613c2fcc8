/** A mount namespace of a test's own, in which the host is not as it should be. Root only. */
import { spawn, spawnSync } from "node:child_process";
import type { Container } from "../../../conformance/lib/container.ts";
import type { Scope } from "../../../conformance/lib/harness.ts";
import { type Result, type RunOptions, runtime, until } from "../../../conformance/lib/runtime.ts";
import { stateRoot, TAG } from "../../../conformance/lib/workspace.ts";

export class Elsewhere {
  /** Words before a command that is to run there. */
  readonly wrap: readonly string[];
  /** Given as `--root`. */
  root = stateRoot();
  /** Shell text before each call, such as `ulimit -f 1;`. */
  shell: string | undefined;

  constructor(pid: number) {
    this.wrap = ["nsenter", `--mount=/proc/${pid}/ns/mnt`, "--"];
  }

  /** Runs a shell script there. @throws Error when it fails */
  sh(script: string): string {
    const { status, stdout, stderr } = spawnSync("/usr/bin/env", [...this.wrap, "/bin/sh", "-ec", script]);
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
    return `${stdout}`;
  }

  /** A verb, with its flags in front of the id and the rest behind it. */
  async verb(verb: string, { id }: Pick<Container, "id">, ...rest: string[]): Promise<Result> {
    const flags = rest.filter((word) => word.startsWith("--"));
    return await this.call([verb, ...flags, id, ...rest.filter((word) => !word.startsWith("--"))]);
  }

  async call(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    const shell = this.shell === undefined ? {} : { shell: this.shell };
    return await runtime(args, { ...shell, global: ["--root", this.root], wrap: this.wrap, ...options });
  }

  async create(c: Container, options: RunOptions = {}): Promise<Result> {
    c.save();
    return await this.call(["create", "--bundle", c.bundle, c.id], { stdout: c.outputFile, ...options });
  }

  async status(c: Pick<Container, "id">): Promise<string> {
    const { code, stdout, stderr } = await this.verb("state", c);
    return code === 0 ? (JSON.parse(stdout) as { status: string }).status : stderr;
  }

  async waitFor(c: Pick<Container, "id">, status: string): Promise<void> {
    let seen = "";
    for (let tries = 0; tries < 500; tries++) {
      seen = await this.status(c);
      if (seen === status) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`status is \`${seen}\`, not \`${status}\``);
  }
}

/** Makes one, in which `script` has been run. It goes, with its mounts, after the test. */
export async function elsewhere(t: Scope, script: string): Promise<Elsewhere> {
  const text = `${script}\necho ready; exec sleep 1000`;
  const words = ["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", text];
  const holder = spawn("setpriv", words, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, MARK: TAG } });
  let said = "";
  let ended = false;
  holder.stdout.on("data", (chunk) => {
    said += String(chunk);
  });
  holder.on("exit", () => {
    ended = true;
  });
  t.cleanup(async () => {
    holder.kill("SIGKILL");
    await until("the end of the mount namespace", () => ended);
  });
  await until("the mount namespace", () => ended || said.includes("ready"));
  if (ended) throw new Error(`cannot be made: ${script}`);
  return new Elsewhere(holder.pid ?? 0);
}
