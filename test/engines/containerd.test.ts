/** containerd and its shim, driven by `ctr`. */
import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { startCtr } from "./lib/containerd.ts";
import { call, type Engine, must, useEngine } from "./lib/engine.ts";
import { IMAGE } from "./lib/image.ts";
import { readLimit } from "./lib/limits.ts";
import { end } from "./lib/room.ts";
import { describe, type Result, run, until } from "./lib/run.ts";
import { runtimePath, subdirectory, TAG } from "./lib/workspace.ts";

const engine = useEngine(startCtr);
let count = 0;

function freshId(): string {
  count += 1;
  return `${TAG}-${count}`;
}

function runArguments(id: string, flags: readonly string[], command: readonly string[]): readonly string[] {
  return ["run", "--runc-binary", runtimePath(), ...flags, IMAGE, id, ...command];
}

async function foreground(flags: readonly string[], ...command: readonly string[]): Promise<Result> {
  return await call(engine(), runArguments(freshId(), ["--rm", ...flags], command));
}

async function printed(flags: readonly string[], ...command: readonly string[]): Promise<string> {
  const result = await foreground(flags, ...command);
  if (result.code !== 0) throw new Error(describe(command, result));
  return result.stdout.trimEnd();
}

/** Starts a container in the background that does nothing, or `command`; its id. */
async function detached(flags: readonly string[] = [], ...command: readonly string[]): Promise<string> {
  const id = freshId();
  await must(
    engine(),
    runArguments(id, ["-d", "--null-io", ...flags], command.length > 0 ? command : ["sleep", "1000"]),
  );
  return id;
}

/** Status and pid as `ctr` lists them. */
async function task(id: string): Promise<{ readonly pid: string; readonly status: string }> {
  const line = (await must(engine(), ["task", "ls"])).split("\n").find((each) => each.startsWith(`${id} `));
  const [, pid = "", status = ""] = (line ?? "").split(/\s+/);
  return { pid, status };
}

async function exec(id: string, ...command: readonly string[]): Promise<Result> {
  return await call(engine(), ["task", "exec", "--exec-id", freshId(), id, ...command]);
}

test("a container in the foreground: both streams and the exit status", async () => {
  const result = await foreground([], "sh", "-c", "echo out; echo err >&2; exit 7");
  expect(result).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
});

test("a container with a terminal", async () => {
  const argv = [...engine().client, ...runArguments(freshId(), ["--rm", "-t"], ["sh", "-c", "tty; exit 3"])];
  const result = await run(["script", "-qec", argv.join(" ").replace("tty; exit 3", "'tty; exit 3'"), "/dev/null"]);
  expect(result.stdout).toContain("/dev/pts/0");
  expect(result.code).toBe(3);
});

test("an error of the runtime reaches the user", async () => {
  const result = await foreground([], "no-such-program");
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("executable file not found in $PATH");
});

test("a detached task: exec, exit status, kill and rm", async () => {
  const id = await detached();
  expect((await task(id)).status).toBe("RUNNING");
  expect(await exec(id, "sh", "-c", "echo out; echo err >&2; exit 9")).toEqual({
    code: 9,
    stdout: "out\n",
    stderr: "err\n",
  });
  await must(engine(), ["task", "kill", "-s", "SIGKILL", id]);
  await until("the task to stop", async () => (await task(id)).status === "STOPPED");
  await must(engine(), ["task", "rm", id]);
  expect((await task(id)).status).toBe("");
});

test("exec with a terminal and as another user", async () => {
  const id = await detached();
  const flags = ["task", "exec", "--exec-id", freshId(), "-t", "--user", "1000:1000", "--cwd", "/home/app", id];
  const line = [...engine().client, ...flags, "sh", "-c", "'tty; id -u; pwd'"].join(" ");
  const result = await run(["script", "-qec", line, "/dev/null"]);
  expect(result.stdout.replaceAll(/\r|\^@/g, "")).toMatch(/\/dev\/pts\/\d\n1000\n\/home\/app\n/);
});

test("a detached exec goes on without its client", async () => {
  const id = await detached();
  await must(engine(), ["task", "exec", "-d", "--exec-id", "side", id, "sleep", "1001"]);
  await until("both processes", async () => (await must(engine(), ["task", "ps", id])).split("\n").length === 3);
  await must(engine(), ["task", "kill", "--exec-id", "side", "-s", "SIGKILL", id]);
  await until("one process", async () => (await must(engine(), ["task", "ps", id])).split("\n").length === 2);
  expect((await task(id)).status).toBe("RUNNING");
});

test("kill --all reaches every process", async () => {
  const id = await detached([], "sh", "-c", "sleep 1001 & sleep 1002 & wait");
  await must(engine(), ["task", "kill", "-a", "-s", "SIGKILL", id]);
  await until("the task to stop", async () => (await task(id)).status === "STOPPED");
  expect((await task(id)).status).toBe("STOPPED");
});

test("pause, resume and the removal of a paused task", async () => {
  const id = await detached();
  await must(engine(), ["task", "pause", id]);
  expect((await task(id)).status).toBe("PAUSED");
  expect((await exec(id, "true")).stderr).toContain("paused");
  await must(engine(), ["task", "resume", id]);
  expect((await exec(id, "true")).code).toBe(0);
  await must(engine(), ["task", "pause", id]);
  await call(engine(), ["task", "rm", "-f", id]);
});

test("limits are set, and metrics tell of them", async () => {
  const id = await detached(["--memory-limit", `${48 << 20}`, "--cpus", "0.5"]);
  const { pid } = await task(id);
  expect([readLimit(pid, "memory"), readLimit(pid, "quota")]).toEqual([`${48 << 20}`, "50000"]);
  const metrics = JSON.parse(await must(engine(), ["task", "metrics", "--format", "json", id]));
  expect(JSON.stringify(metrics)).toContain(`${48 << 20}`);
});

test("a task out of memory is killed, and containerd tells of it", async () => {
  const events = await watchEvents(engine());
  const script = "head -c 200000000 /dev/zero | tail -n 1 >/dev/null; status=$?; sleep 1; exit $status";
  const result = await foreground(["--memory-limit", `${24 << 20}`], "sh", "-c", script);
  expect(result.code).toBe(137);
  await until("the event", () => events.seen().includes("/tasks/oom"));
  expect(events.seen()).toContain("/tasks/exit");
  await end(events.child);
});

interface Events {
  readonly child: ChildProcess;
  readonly seen: () => string;
}

async function watchEvents(of: Engine): Promise<Events> {
  const [program = "", ...rest] = [...of.client, "events"];
  let text = "";
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  await Bun.sleep(300);
  return { child, seen: () => text };
}

test("file systems: a read-only root, bind mounts and a tmpfs", async () => {
  const directory = subdirectory("exchange");
  writeFileSync(path.join(directory, "in"), "from outside");
  const flags = [
    "--read-only",
    ...["--mount", `type=bind,src=${directory},dst=/ro,options=rbind:ro`],
    ...["--mount", "type=tmpfs,src=tmpfs,dst=/scratch,options=size=1m"],
  ];
  const script = "cat /ro/in; (: >/ro/new) 2>&1; (: >/new) 2>&1; touch /scratch/new && echo yes";
  expect(await printed(flags, "sh", "-c", script)).toBe(
    "from outsidesh: can't create /ro/new: Read-only file system\nsh: can't create /new: Read-only file system\nyes",
  );
});

test("rights: capabilities, no new privileges, seccomp, a device", async () => {
  const read = ["sh", "-c", "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '"];
  const [before = "", privileges, filter] = (await printed([], ...read)).split(" ");
  expect([privileges, filter]).toEqual(["1", "0"]);
  const flags = ["--cap-drop", "CAP_KILL", "--cap-add", "CAP_SYS_PTRACE", "--seccomp", "--allow-new-privs"];
  const [after = "", ...rest] = (await printed(flags, ...read)).split(" ");
  expect(BigInt(`0x${before}`) ^ BigInt(`0x${after}`)).toBe((1n << 5n) | (1n << 19n));
  expect(rest).toEqual(["0", "2"]);
  expect(await printed(["--device", "/dev/fuse"], "sh", "-c", "ls -l /dev/fuse | cut -c1; : </dev/fuse")).toBe("c");
});

test("a privileged container has what root has", async () => {
  const own = /^CapEff:\t(\w+)$/m.exec(await must({ ...engine(), client: ["cat"] }, ["/proc/self/status"]))?.[1];
  const script = "mount -t tmpfs none /tmp && grep CapEff /proc/self/status";
  expect(await printed(["--privileged"], "sh", "-c", script)).toBe(`CapEff:\t${own}`);
});

test("environment and working directory", async () => {
  const flags = ["--env", "A=b", "--cwd", "/home/app", "--net-host"];
  expect(await printed(flags, "sh", "-c", "echo $A; pwd")).toBe("b\n/home/app");
});

test("a user namespace", async () => {
  const flags = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
  expect(await printed(flags, "sh", "-c", "id -u; cat /proc/self/uid_map | tr -s ' '")).toBe("0\n 0 100000 65536");
});

test("a pod: a container in the namespaces of another", async () => {
  const first = await detached();
  const { pid } = await task(first);
  const kinds = ["network", "ipc", "uts", "pid"];
  const short = ["net", "ipc", "uts", "pid"];
  const flags = kinds.flatMap((kind, index) => ["--with-ns", `${kind}:/proc/${pid}/ns/${short[index]}`]);
  const script = `for n in ${short.join(" ")} mnt; do readlink /proc/self/ns/$n; done`;
  const mine = (await printed(flags, "sh", "-c", script)).split("\n");
  const theirs = (await exec(first, "sh", "-c", script)).stdout.trim().split("\n");
  expect(mine.slice(0, 4)).toEqual(theirs.slice(0, 4));
  expect(mine[4]).not.toBe(theirs[4]);
});

test("20 containers at once", async () => {
  const numbers = Array.from({ length: 20 }, (_, number) => number);
  // `ctr` under load now and then loses what a container prints in its very last moment, hence the sleep.
  const script = (number: number): string => `echo ${number}; sleep 0.3; exit ${number}`;
  const results = await Promise.all(numbers.map(async (number) => await foreground([], "sh", "-c", script(number))));
  expect(results).toEqual(numbers.map((number) => ({ code: number, stdout: `${number}\n`, stderr: "" })));
}, 120_000);
