/** What the server of the library shares with containers, and how it ends. Needs root and `npm run build`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { COMMAND_LINE, HOSTS, LIBRARY, makeBase, makeBundle, removeBase, runScript } from "./lib/hosts.ts";

const INIT = join(import.meta.dir, "../../dist/native/tsrunc-init");
let base = "";

beforeAll(() => {
  base = makeBase();
  makeBundle(base, "sleeps", "while :; do sleep 1; done");
  makeBundle(base, "exits", "exit 3");
  makeBundle(base, "secret", "true", (spec) => ({
    process: { ...spec.process!, env: ["SECRET=WORD-OF-THE-FIRST"] },
  }));
  makeBundle(base, "fails", "true", (spec) => ({ process: { ...spec.process!, args: ["/bin/nothing"] } }));
});

afterAll(() => removeBase(base));

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 1000) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isGone(pid: number): boolean {
  try {
    return /^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return true;
  }
}

for (const [name, host] of HOSTS) {
  test(`containers get nothing of the server or of each other under ${name}`, () => {
    expect(runScript(host, "server.mjs", base, join(base, `root-${name}`), "isolation")).toEqual({
      before: true,
      executable: "/memfd:tsrunc-init (deleted)",
      environment: "",
      cwd: "/",
      shared: [],
      kinds: [],
      programs: 0,
      cmdline: "tsrunc-init",
      secret: [true, false, false],
      parent: true,
      descriptors: ["0", "1", "2", "3"], // the last one is the directory itself
      alive: "running",
      waited: "unknown",
      many: [3],
      failed: ["op", "/process/args/0"],
      closed: true,
      another: true,
    });
  }, 120_000);

  test(`the server goes with its client under ${name}, containers stay`, async () => {
    const root = join(base, `root-life-${name}`);
    const client = spawn(host, [join(import.meta.dir, "server.mjs"), LIBRARY, base, root, "life"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) => client.stdout.once("data", (data) => resolve(String(data))));
    const [server = 0, ...children] = JSON.parse(line) as number[];
    client.kill("SIGKILL");
    await until(() => isGone(server));
    const tsrunc = (...args: string[]) => spawnSync(COMMAND_LINE, ["--root", root, ...args], { encoding: "utf8" });
    const states = JSON.parse(tsrunc("list", "--format", "json").stdout) as {
      id: string;
      status: string;
      pid: number;
    }[];
    expect(states.map(({ id, status }) => [id.split("-")[0], status])).toEqual([
      ["created", "created"],
      ["foreground", "running"],
      ["running", "running"],
    ]);
    // Of the server's children the containers are left, and the launcher that is in the foreground of one.
    const pids = states.map(({ pid }) => pid);
    const left = children.filter((pid) => !isGone(pid) && !pids.includes(pid));
    expect(left).toHaveLength(1);
    for (const { id } of states) expect(tsrunc("delete", "--force", id).status).toBe(0);
    await until(() => left.every(isGone));
  }, 60_000);
}

test("the server is not dumpable: its memory and descriptors are not its user's", async () => {
  const server = spawn(INIT, ["serve"], { stdio: ["ignore", "ignore", "ignore", "pipe"], uid: 65534, gid: 65534 });
  await until(
    () =>
      existsSync(`/proc/${server.pid}/comm`) && readFileSync(`/proc/${server.pid}/comm`, "utf8") === "tsrunc-serve\n",
  );
  expect(statSync(`/proc/${server.pid}/environ`).uid).toBe(0);
  const ended = new Promise<number | null>((resolve) => server.once("exit", resolve));
  (server.stdio[3] as { end(): void }).end();
  expect(await ended).toBe(0);
});

test("the server refuses what is no program, and goes on", async () => {
  const { InitServer } = await import(join(LIBRARY, "../init/server.js"));
  const server = new InitServer();
  const ask = (program: Uint8Array, cwd = "/") => server.execute({ program, cwd, stdio: [-2, -2, -2] });
  for (const program of [Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(5000, 7)]) {
    expect((await ask(program)).reports).toMatchObject([{ kind: "server", step: 2, detail: "the program is damaged" }]);
  }
  expect((await ask(Buffer.alloc(5000), "/nowhere")).reports).toMatchObject([{ kind: "server", step: 1, errno: 2 }]);
  await server.close();
});
