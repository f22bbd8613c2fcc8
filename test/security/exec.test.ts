/**
 * A process of the container that has CAP_SYS_PTRACE, against `exec` (intruder.c). Each way worked once: a process of the host was
 * killed, exec hung, all capabilities of the host were seen, and a file of its root read. `ROUNDS=1000` for a long attack.
 */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Box, build, type Config, DIRECTORY, removeAll } from "./lib/box.ts";

setDefaultTimeout(1_800_000);
afterAll(removeAll);

const ROUNDS = Number(process.env.ROUNDS ?? 60);
const CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SYS_PTRACE"];
/** CAP_CHOWN, CAP_KILL and CAP_SYS_PTRACE. */
const GRANTED = 0x80021n;
const SYS_ADMIN = 1n << 21n;
const TRUE = "/bin/busybox";

const deny = (name: string) => ({
  seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: [name], action: "SCMP_ACT_ERRNO" }] },
});

interface Way {
  readonly noNewPrivileges: boolean;
  readonly linux: Config;
  readonly process: Config;
  /** Beyond the container's: what a filter that can only be loaded last takes. */
  readonly beyond: bigint;
}

const WAYS: Readonly<Record<string, Way>> = {
  plain: { noNewPrivileges: true, linux: {}, process: {}, beyond: 0n },
  "with a profile": { noNewPrivileges: false, linux: deny("kexec_load"), process: {}, beyond: 0n },
  "with a profile and noNewPrivileges": { noNewPrivileges: true, linux: deny("setsid"), process: {}, beyond: 0n },
  "with a profile that can only be loaded last": {
    ...{ noNewPrivileges: false, linux: deny("setsid"), process: {} },
    beyond: SYS_ADMIN,
  },
  "with a scheduling policy": {
    ...{ noNewPrivileges: false, linux: {}, beyond: 0n },
    process: { scheduler: { policy: "SCHED_BATCH", nice: 1, flags: ["SCHED_FLAG_RESET_ON_FORK"] } },
  },
  "with priorities and limits": {
    ...{ noNewPrivileges: false, linux: deny("kexec_load"), beyond: 0n },
    process: {
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 5 },
      rlimits: [{ type: "RLIMIT_NPROC", soft: 500, hard: 500 }],
    },
  },
};

function config(way: Way, args: readonly string[]): Config {
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/bin"],
      cwd: "/",
      noNewPrivileges: way.noNewPrivileges,
      capabilities: { bounding: CAPABILITIES, permitted: CAPABILITIES, effective: CAPABILITIES },
      ...way.process,
    },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })), ...way.linux },
  };
}

/** `exec` again and again beside an intruder. @returns what it got hold of, and how often each exec ended how */
async function attack(way: Way, words: readonly string[]): Promise<{ lines: string[]; ends: Map<string, number> }> {
  const box = new Box([TRUE, build("test/security/intruder.c", false)], config(way, ["/bin/intruder", ...words]));
  expect(await box.create()).toMatchObject({ status: 0 });
  expect(await box.start()).toMatchObject({ status: 0 });
  while (!box.printed().startsWith("ready")) await new Promise((resolve) => setTimeout(resolve, 5));
  const ends = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const { status, stderr } = await box.exec(["/bin/busybox", "true"]);
    const end = status === 0 ? "ended" : status < 0 ? "hangs" : stderr.replaceAll(/time="[^"]*" /g, "").trim();
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  await box.delete();
  return { lines: box.printed().split("\n").slice(1), ends };
}

const caught = (lines: readonly string[], word: string) => lines.filter((line) => line.startsWith(`${word} `));

function startVictim(): ChildProcess & { pid: number } {
  return spawn("sleep", ["10000"], { stdio: "ignore" }) as ChildProcess & { pid: number };
}

test("nothing that is said in the child's name reaches a process of the host", async () => {
  const victim = startVictim();
  const { lines, ends } = await attack(WAYS.plain as Way, ["talk", `${victim.pid}`]);
  expect(victim.signalCode).toBe(null);
  victim.kill("SIGKILL");
  // It was tried, and at most an exec ends by it, with one line in which nothing of the attacker's is.
  expect(caught(lines, "channel").length).toBeGreaterThan(0);
  ends.delete("ended");
  ends.delete('level=error msg="a process of the container has interfered"');
  expect(ends).toEqual(new Map());
});

test("who keeps the child's channel open holds nobody up", async () => {
  const { lines, ends } = await attack(WAYS.plain as Way, ["hold"]);
  expect(caught(lines, "channel").length).toBeGreaterThan(0);
  expect(ends).toEqual(new Map([["ended", ROUNDS]]));
});

for (const [name, way] of Object.entries(WAYS))
  test(`the child has no more than the container's rights, and no descriptor but its channel: ${name}`, async () => {
    const { lines, ends } = await attack(way, ["look"]);
    const rights = caught(lines, "status").flatMap((line) => {
      const found = /Cap(?:Prm|Eff):\s*([0-9a-f]+)/.exec(line)?.[1];
      return found === undefined ? [] : [BigInt(`0x${found}`)];
    });
    expect(rights.length).toBeGreaterThan(0);
    expect(rights.filter((set) => (set & ~(GRANTED | way.beyond)) !== 0n)).toEqual([]);
    const open = caught(lines, "open").map((line) => line.split(" ").slice(2).join(" "));
    expect(open.filter((target) => !target.startsWith("socket:"))).toEqual([]);
    expect(ends).toEqual(new Map([["ended", ROUNDS]]));
  });

for (const name of ["with a profile", "with a scheduling policy"])
  test(`no file of the host is opened in the child's name: ${name}`, async () => {
    const secret = path.join(DIRECTORY, "secret");
    writeFileSync(secret, "of the host", { mode: 0o600 });
    const { lines } = await attack(WAYS[name] as Way, ["loot", `${statSync(secret).ino}`]);
    expect(caught(lines, "loot")).toEqual([]);
    expect(caught(lines, "denied").length).toBeGreaterThan(0);
  });
