/**
 * What tsrunc-init calls under the container's seccomp filter, and that nothing else matters: each call of the machine is
 * denied in turn. `CALLS_EVERY=1`: each call alone in each way, where it is otherwise one of the many that are never made.
 */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { nativeArch } from "../../src/seccomp/arches.ts";
import { syscallTable } from "../../src/seccomp/syscalls.ts";
import { Box, build, type Config, DIRECTORY, type Json, removeAll } from "./lib/box.ts";

setDefaultTimeout(900_000);
afterAll(removeAll);

const EVERY = process.env.CALLS_EVERY === "1";
const bare = build("test/security/bare.c", true);
const agentSocket = path.join(DIRECTORY, "agent.sock");
const agentOutput = path.join(DIRECTORY, "agent.out");
/** A call that nobody makes, for a listener. */
const NOTIFIED = "kexec_load";

interface Mode {
  readonly noNewPrivileges: boolean;
  readonly notify: boolean;
}

const MODES: readonly Mode[] = [false, true].flatMap((noNewPrivileges) =>
  [false, true].map((notify) => ({ noNewPrivileges, notify })),
);
const nameOf = ({ noNewPrivileges, notify }: Mode) =>
  `${noNewPrivileges ? "with" : "without"} noNewPrivileges, ${notify ? "with" : "without"} NOTIFY`;

interface Denial {
  readonly names: readonly string[];
  readonly action: string;
}

function profile(mode: Mode, denial: Denial | undefined): Json {
  const notify = { names: [NOTIFIED], action: "SCMP_ACT_NOTIFY" };
  const isNotified = mode.notify && denial?.names.includes(NOTIFIED) !== true;
  const denied = denial === undefined ? [] : [{ names: denial.names, action: denial.action }];
  const needsAgent = isNotified || denial?.action === "SCMP_ACT_NOTIFY";
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    ...(needsAgent ? { listenerPath: agentSocket } : {}),
    syscalls: [...denied, ...(isNotified ? [notify] : [])],
  };
}

function config({ noNewPrivileges }: Mode, seccomp: Json, args: readonly string[], uid = 0): Config {
  const capabilities = ["CAP_KILL"];
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: {
      user: { uid, gid: uid },
      args,
      env: ["PATH=/bin"],
      cwd: "/",
      noNewPrivileges,
      capabilities: { bounding: capabilities, permitted: capabilities, effective: capabilities },
      rlimits: [
        { type: "RLIMIT_NOFILE", soft: 64, hard: 64 },
        { type: "RLIMIT_NPROC", soft: 900, hard: 900 },
      ],
    },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })), seccomp },
  };
}

function startAgent(): () => void {
  const out = openSync(agentOutput, "a");
  const agent = spawn(build("conformance/probe/agent.c", false), [agentSocket], { stdio: ["ignore", out, out] });
  closeSync(out);
  return () => agent.kill("SIGKILL");
}

const stopAgent = startAgent();
afterAll(stopAgent);

/** In which ways a container fails to run under the profile. */
async function problems(mode: Mode, denial: Denial): Promise<string[]> {
  const has = (name: string) => denial.names.includes(name);
  const end = has("exit_group") ? "exit" : "exit_group";
  const wait = has("ppoll") ? "nanosleep" : "pause";
  const seccomp = profile(mode, denial);
  const what = `${denial.names.join(" ")} by ${denial.action}, ${nameOf(mode)}`;
  const found: string[] = [];
  const wrong = (step: string, outcome: { status: number; stderr: string }, expected: number) => {
    if (outcome.status !== expected) found.push(`${what}: ${step}: status ${outcome.status}: ${outcome.stderr.trim()}`);
    return outcome.status === expected;
  };
  const foreground = new Box([bare], config(mode, seccomp, ["/bin/bare", end]));
  wrong("run", await foreground.run(), 42);
  const box = new Box([bare], config(mode, seccomp, ["/bin/bare", wait], 1000));
  if (wrong("create", await box.create(), 0)) {
    wrong("start", await box.start(), 0);
    wrong("exec", await box.exec(["/bin/bare", end]), 42);
    const pid = await box.pid();
    const program = pid === 0 ? "gone" : readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    if (program !== "bare") found.push(`${what}: the first process is ${program}`);
  }
  await box.delete();
  for (const { bundle } of [foreground, box]) rmSync(bundle, { recursive: true });
  return found;
}

/** Two at a time: most of the time one waits. */
async function all(mode: Mode, denials: readonly Denial[]): Promise<string[]> {
  const left = [...denials];
  const found: string[] = [];
  const worker = async () => {
    for (let denial = left.pop(); denial !== undefined; denial = left.pop())
      found.push(...(await problems(mode, denial)));
  };
  await Promise.all([worker(), worker()]);
  return found;
}

// ---- what is called ----

/** Calls of each traced process, in order: without arguments, and `seccomp` only where it loads a filter. */
function traced(stem: string): ReadonlyMap<number, readonly string[]> {
  const files = readdirSync(DIRECTORY).filter((name) => name.startsWith(`${stem}.`));
  return new Map(
    files.map((name) => {
      const lines = readFileSync(path.join(DIRECTORY, name), "utf8").split("\n");
      const calls = lines.flatMap((line) => {
        const call = /^(\w+)\((.*)/.exec(line);
        if (call === null || /^(restart_syscall|resuming)/.test(line)) return [];
        if (call[1] === "clone" && /= (\d+)$/.test(line)) return [`clone:${/= (\d+)$/.exec(line)?.[1]}`];
        return call[1] === "seccomp" && !line.includes("SECCOMP_SET_MODE_FILTER") ? [] : [call[1] ?? ""];
      });
      return [Number(name.split(".").at(-1)), calls] as const;
    }),
  );
}

/** Of each process under the filter, in the order of their births: what it calls up to execve, or its end. */
function underFilter(stem: string): string[][] {
  const processes = traced(stem);
  const found: string[][] = [];
  const follow = (calls: readonly string[]) => {
    const end = calls.indexOf("execve");
    const part = end < 0 ? calls : calls.slice(0, end + 1);
    found.push(part.map((name) => name.replace(/:.*/, "")));
    for (const name of part) if (name.startsWith("clone:")) follow(processes.get(Number(name.slice(6))) ?? []);
  };
  for (const calls of processes.values()) {
    const load = calls.indexOf("seccomp");
    if (load >= 0) follow(calls.slice(load + 1));
  }
  return found;
}

function strace(stem: string): string[] {
  return ["strace", "-ff", "-qq", "-e", "signal=none", "-o", path.join(DIRECTORY, stem)];
}

/**
 * Written down: what is called between the load of the filter and execve where it is loaded early, after CAP_SYS_ADMIN has been
 * dropped where that was kept for the load. Where it is the last thing, there is nothing in between.
 */
const DROP = ["capset"];
const TALK = ["sendmsg", "recvmsg"];
const SIGNALS = ["rt_sigprocmask", ...Array(4).fill("rt_sigaction")];
const WAIT = [...SIGNALS, "close", "accept4", "recvmsg", "close", "close", "write"];
const PREPARE = ["mmap", "mmap", "getcwd"];
const EARLY = {
  run: [[...DROP, ...TALK, "prlimit64", ...PREPARE, "execve"]],
  create: [[...DROP, ...TALK, ...WAIT, "prlimit64", ...PREPARE, "execve"]],
  exec: [
    [...DROP, "madvise", "sendmsg", "clone", "exit_group"],
    ["setsid", "prlimit64", ...TALK, "execve"],
  ],
};
const LAST = [["execve"]];

const used = new Set<string>();

for (const mode of MODES) {
  test(`what is called under the filter, ${nameOf(mode)}`, async () => {
    const stem = `trace-${mode.noNewPrivileges}-${mode.notify}`;
    const seccomp = profile(mode, undefined);
    const foreground = new Box([bare], config(mode, seccomp, ["/bin/bare", "exit_group"]));
    expect((await foreground.run(strace(`${stem}-run`))).status).toBe(42);
    const box = new Box([bare], config(mode, seccomp, ["/bin/bare", "pause"]));
    const tracer = spawn("/bin/true");
    tracer.on("exit", () => {});
    // strace ends with the last process that it follows: it is left to itself, and goes with the container.
    const [command = "", ...rest] = strace(`${stem}-create`);
    expect((await box.create([command, "-D", "--seccomp-bpf", ...rest])).status).toBe(0);
    expect((await box.start()).status).toBe(0);
    expect((await box.exec(["/bin/bare", "exit_group"], strace(`${stem}-exec`))).status).toBe(42);
    await box.delete();
    for (const how of ["run", "create", "exec"])
      for (const calls of traced(`${stem}-${how}`).values())
        for (const name of calls) used.add(name.replace(/:.*/, ""));
    const seen = Object.fromEntries(["run", "create", "exec"].map((how) => [how, underFilter(`${stem}-${how}`)]));
    // With NOTIFY, who creates gives the listener to the agent, where it can: only then nobody has to stay for that.
    const create = mode.notify ? EARLY.create.map((calls) => calls.slice(DROP.length)) : LAST;
    expect(seen).toEqual(mode.noNewPrivileges ? { run: LAST, create, exec: LAST } : EARLY);
  });
}

// ---- that nothing else matters ----

/** What the user's program itself is made of here. */
const NEEDED = ["execve"];

function machineCalls(): string[] {
  const arch = nativeArch(process.arch, "LE");
  if (arch === undefined) throw new Error(process.arch);
  return [...syscallTable(arch).keys()].filter((name) => !NEEDED.includes(name));
}

const isUsed = (name: string) => used.has(name) || EVERY;

for (const mode of MODES)
  for (const action of ["SCMP_ACT_ERRNO", "SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_NOTIFY"]) {
    if (action === "SCMP_ACT_NOTIFY" && !mode.notify) continue;
    test(`any call denied by ${action.replace("SCMP_ACT_", "")}, ${nameOf(mode)}: the container runs`, async () => {
      expect(used.size).toBeGreaterThan(30);
      const names = machineCalls();
      const alone = names.filter(isUsed).map((name) => ({ names: [name], action }));
      // An agent would be asked by the user's program, too.
      const asked = action === "SCMP_ACT_NOTIFY" ? ["exit_group", "ppoll"] : [];
      const together = names.filter((name) => !isUsed(name));
      const groups = Array.from({ length: Math.ceil(together.length / 40) }, (_, i) => ({
        names: together.slice(40 * i, 40 * (i + 1)),
        action,
      }));
      const denials = [...alone, ...groups].filter(({ names: [name = ""] }) => !asked.includes(name));
      expect(await all(mode, denials)).toEqual([]);
      // Nobody was asked about a call of tsrunc-init's, or of this program's.
      expect(
        readFileSync(agentOutput, "utf8")
          .split("\n")
          .filter((line) => line.startsWith("call ")),
      ).toEqual([]);
    });
  }

// ---- lists that allow only what a program needs ----

const SHORT = ["execve", "exit_group", "write", "brk", "arch_prctl", "mmap", "munmap", "read", "close", "fstat"];

for (const mode of MODES)
  for (const [what, names] of [
    ["a short list", SHORT],
    ["a short list without mmap", SHORT.filter((name) => name !== "mmap")],
    ["a short list without write", SHORT.filter((name) => name !== "write")],
    ["execve and exit_group", ["execve", "exit_group"]],
  ] as const) {
    test(`${what}, ${nameOf(mode)}: the container runs, and a failure of execve is told`, async () => {
      const seccomp = {
        ...(profile(mode, undefined) as Config),
        defaultAction: "SCMP_ACT_ERRNO",
        syscalls: [
          { names: [...names, "ppoll"], action: "SCMP_ACT_ALLOW" },
          ...(mode.notify ? [{ names: [NOTIFIED], action: "SCMP_ACT_NOTIFY" }] : []),
        ],
      };
      const end = config(mode, seccomp, ["/bin/bare", "exit_group"], 1000);
      const box = new Box([bare], end);
      expect(await box.run()).toMatchObject({ status: 42, stderr: "" });
      box.save(config(mode, seccomp, ["/bin/bare", "pause"]));
      expect(await box.create()).toMatchObject({ status: 0 });
      expect(await box.start()).toMatchObject({ status: 0, stderr: "" });
      expect(await box.exec(["/bin/bare", "exit_group"])).toMatchObject({ status: 42, stderr: "" });
      // A program that is none: execve fails under the filter.
      execFileSync("/bin/sh", [
        "-c",
        `printf 'no program' >${box.bundle}/rootfs/bin/none; chmod 755 ${box.bundle}/rootfs/bin/none`,
      ]);
      expect((await box.exec(["/bin/none"])).stderr).toContain("exec format error");
      await box.delete();
      box.save(config(mode, seccomp, ["/bin/none"]));
      expect((await box.run()).stderr).toContain("exec format error");
      expect(await box.create()).toMatchObject({ status: 0 });
      expect((await box.start()).stderr).toContain("exec format error");
      await box.delete();
    });
  }

test("a failure of execve in exec is told each time, in whichever moment the child's end is looked at", async () => {
  const mode = { noNewPrivileges: true, notify: false };
  const box = new Box([bare], config(mode, profile(mode, undefined), ["/bin/bare", "pause"]));
  writeFileSync(path.join(box.bundle, "rootfs/bin/none"), "no program", { mode: 0o755 });
  try {
    expect(await box.create()).toMatchObject({ status: 0 });
    expect(await box.start()).toMatchObject({ status: 0, stderr: "" });
    const untold = `case $("$@" 2>&1) in *"exec format error"*) ;; *) echo "untold: $i" ;; esac`;
    const loop = ["/bin/sh", "-c", `for i in $(seq 500); do ${untold}; done`, "sh"];
    for (let part = 0; part < 4; part++)
      expect(await box.exec(["/bin/none"], loop)).toEqual({ status: 0, stdout: "", stderr: "" });
  } finally {
    await box.delete();
  }
});

for (const mode of MODES.filter(({ notify }) => !notify))
  for (const action of ["SCMP_ACT_ERRNO", "SCMP_ACT_TRAP", "SCMP_ACT_KILL_PROCESS"])
    test(`execve denied by ${action.replace("SCMP_ACT_", "")}, ${nameOf(mode)}: every verb gives the reason`, async () => {
      const seccomp = profile(mode, { names: ["execve"], action });
      const box = new Box([bare], config(mode, seccomp, ["/bin/bare", "pause"]));
      const why = "the container's seccomp filter forbids `execve`";
      const ran = await box.run();
      expect([ran.status, ran.stderr]).toEqual([1, expect.stringContaining(why)]);
      expect((await box.create()).status).toBe(0);
      const started = await box.start();
      expect([started.status, started.stderr]).toEqual([1, expect.stringContaining(why)]);
      await box.delete();
      expect((await box.create()).status).toBe(0);
      const executed = await box.exec(["/bin/bare", "exit_group"]);
      expect([executed.status, executed.stderr]).toEqual([255, expect.stringContaining(why)]);
      await box.delete();
    });

// ---- a filter of the caller's ----

for (const errno of [1, 38])
  test(`a caller's own filter that fails faccessat2 with errno ${errno} keeps no program from being found`, async () => {
    const arch = nativeArch(process.arch, "LE");
    const number = arch === undefined ? undefined : syscallTable(arch).get("faccessat2");
    const under = [build("test/security/under.c", false), `${number}`, `${errno}`];
    const mode = { noNewPrivileges: false, notify: false };
    const box = new Box([bare], config(mode, undefined, ["bare", "exit_group"], 1000));
    expect(await box.run(under)).toMatchObject({ status: 42, stderr: "" });
    box.save(config(mode, undefined, ["missing"], 1000));
    expect((await box.run(under)).stderr).toContain("executable file not found in $PATH");
  });
