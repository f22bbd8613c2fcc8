/** What Kubernetes' kubelet does with the runtime: pods through containerd's CRI plugin. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  type ContainerOptions,
  execSync,
  exited,
  HANDLER,
  pidOf,
  runContainer,
  runSandbox,
  startKubernetes,
  statusOf,
} from "./lib/cri.ts";
import { useEngine } from "./lib/engine.ts";
import { readLimit } from "./lib/limits.ts";
import { until } from "./lib/run.ts";
import { subdirectory } from "./lib/workspace.ts";

const engine = useEngine(startKubernetes);
const FOREVER = ["sleep", "1000"] as const;
let pods = 0;

async function pod(sysctls: object = {}): ReturnType<typeof runSandbox> {
  pods += 1;
  return await runSandbox(engine(), `pod${pods}`, sysctls);
}

async function shell(id: string, script: string): Promise<string> {
  const result = await execSync(engine(), id, ["sh", "-c", script]);
  expect(result).toMatchObject({ stderr: "", code: 0 });
  return result.stdout.trimEnd();
}

/** What a call was refused with. (bun's own `rejects` holds up the event loop, and gRPC with it.) */
async function refusal(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => "",
    (error: Error) => error.message,
  );
}

/** A pod with one container that runs to its end; what it logged. */
async function logged(script: string, options: ContainerOptions = {}): Promise<string> {
  const sandbox = await pod();
  const id = await runContainer(engine(), sandbox, "only", ["sh", "-c", script], options);
  expect((await exited(engine(), id)).exit_code).toBe(0);
  const lines = readFileSync(path.join(sandbox.logs, "only.log"), "utf8").trimEnd().split("\n");
  return lines.map((line) => line.replace(/^\S+ (stdout|stderr) F /, "")).join("\n");
}

test("a pod runs under the handler of the runtime", async () => {
  const { id } = await pod();
  const request = { pod_sandbox_id: id };
  const { status } = await engine().ask<{ readonly status: object }>("PodSandboxStatus", request);
  expect(status).toMatchObject({ state: "SANDBOX_READY", runtime_handler: HANDLER });
  await engine().ask("StopPodSandbox", request);
  const after = await engine().ask<{ readonly status: object }>("PodSandboxStatus", request);
  expect(after.status).toMatchObject({ state: "SANDBOX_NOTREADY" });
  await engine().ask("RemovePodSandbox", request);
});

test("two containers in a pod share its namespaces and not each other's root and processes", async () => {
  const sandbox = await pod();
  const one = await runContainer(engine(), sandbox, "one", FOREVER);
  const two = await runContainer(engine(), sandbox, "two", FOREVER);
  const links = async (id: string): Promise<readonly string[]> =>
    (await shell(id, "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done")).split("\n");
  const [first, second] = [await links(one), await links(two)];
  expect(first.slice(0, 3)).toEqual(second.slice(0, 3));
  expect(first[3]).not.toBe(second[3] as string);
  expect(first[4]).not.toBe(second[4] as string);
});

test("a pod with one PID namespace for all", async () => {
  const sandbox = await pod();
  const security = { namespace_options: { network: "NODE", pid: "POD" } };
  const one = await runContainer(engine(), sandbox, "one", ["sleep", "1001"], { security });
  const two = await runContainer(engine(), sandbox, "two", ["sleep", "1002"], { security });
  expect(await shell(one, "ps | grep -c 'sleep 100[12]'")).toBe("2");
  expect(await shell(two, "readlink /proc/self/ns/pid")).toBe(await shell(one, "readlink /proc/self/ns/pid"));
});

test("exec sync: both streams and the exit status", async () => {
  const id = await runContainer(engine(), await pod(), "box", FOREVER);
  const result = await execSync(engine(), id, ["sh", "-c", "echo out; echo err >&2; exit 9"]);
  expect(result).toEqual({ stdout: "out\n", stderr: "err\n", code: 9 });
});

test("20 probes at once", async () => {
  const id = await runContainer(engine(), await pod(), "box", FOREVER);
  const numbers = Array.from({ length: 20 }, (_, number) => number);
  const results = await Promise.all(
    numbers.map(async (number) => await execSync(engine(), id, ["sh", "-c", `echo ${number}; exit ${number}`])),
  );
  expect(results).toEqual(numbers.map((number) => ({ stdout: `${number}\n`, stderr: "", code: number })));
});

test("a probe that takes too long is ended", async () => {
  const id = await runContainer(engine(), await pod(), "box", FOREVER);
  const request = { container_id: id, cmd: ["sleep", "30"], timeout: 1 };
  expect(await refusal(engine().ask("ExecSync", request))).toMatch(/timeout/);
  await until("the probe to be gone", async () => (await shell(id, "ps | grep -c '[s]leep 30' || true")) === "0");
});

test("logs, and the status after the end", async () => {
  const sandbox = await pod();
  const id = await runContainer(engine(), sandbox, "log", ["sh", "-c", "echo out; echo err >&2; exit 3"]);
  expect(await exited(engine(), id)).toMatchObject({ exit_code: 3, reason: "Error" });
  const log = readFileSync(path.join(sandbox.logs, "log.log"), "utf8");
  expect(log).toMatch(/^\S+ stdout F out$/m);
  expect(log).toMatch(/^\S+ stderr F err$/m);
});

test("a program that does not exist is told of", async () => {
  const sandbox = await pod();
  const message = await refusal(runContainer(engine(), sandbox, "bad", ["no-such-program"]));
  expect(message).toContain("executable file not found in $PATH");
});

test("statistics", async () => {
  const id = await runContainer(engine(), await pod(), "box", [
    "sh",
    "-c",
    "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 1000",
  ]);
  interface Stats {
    readonly cpu: { readonly usage_core_nano_seconds: { readonly value: number } };
    readonly memory: { readonly working_set_bytes: { readonly value: number } };
  }
  const { stats } = await engine().ask<{ readonly stats: Stats }>("ContainerStats", { container_id: id });
  expect(stats.cpu.usage_core_nano_seconds.value).toBeGreaterThan(0);
  expect(stats.memory.working_set_bytes.value).toBeGreaterThan(0);
});

test("limits, and their change while the container runs", async () => {
  const resources = { memory_limit_in_bytes: 32 << 20, cpu_period: 100_000, cpu_quota: 50_000 };
  const id = await runContainer(engine(), await pod(), "box", FOREVER, { resources });
  const pid = await pidOf(engine(), id);
  expect([readLimit(pid, "memory"), readLimit(pid, "quota")]).toEqual([`${32 << 20}`, "50000"]);
  const linux = { memory_limit_in_bytes: 48 << 20, cpu_period: 100_000, cpu_quota: 25_000, cpuset_cpus: "0" };
  await engine().ask("UpdateContainerResources", { container_id: id, linux });
  expect([readLimit(pid, "memory"), readLimit(pid, "quota"), readLimit(pid, "cpus")]).toEqual([
    `${48 << 20}`,
    "25000",
    "0",
  ]);
});

test("a container out of memory is OOMKilled", async () => {
  const script = "head -c 200000000 /dev/zero | tail -n 1 >/dev/null; status=$?; sleep 1; exit $status";
  const resources = { memory_limit_in_bytes: 24 << 20 };
  const id = await runContainer(engine(), await pod(), "hog", ["sh", "-c", script], { resources });
  expect(await exited(engine(), id)).toMatchObject({ exit_code: 137, reason: "OOMKilled" });
});

test("stop lets a container end by itself, and kills it when it does not", async () => {
  const sandbox = await pod();
  const polite = await runContainer(engine(), sandbox, "polite", [
    "sh",
    "-c",
    "trap 'exit 4' TERM; touch /up; while :; do sleep 0.1; done",
  ]);
  await until("the trap", async () => (await execSync(engine(), polite, ["test", "-e", "/up"])).code === 0);
  await engine().ask("StopContainer", { container_id: polite, timeout: 10 });
  expect(await statusOf(engine(), polite)).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 4 });
  const deaf = await runContainer(engine(), sandbox, "deaf", FOREVER);
  await engine().ask("StopContainer", { container_id: deaf, timeout: 1 });
  expect(await statusOf(engine(), deaf)).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 137 });
  await engine().ask("RemoveContainer", { container_id: deaf });
});

test("security context: user, groups, capabilities, seccomp, no new privileges, read-only root", async () => {
  const security = {
    run_as_user: { value: 1000 },
    supplemental_groups: [29],
    capabilities: { add_capabilities: ["NET_ADMIN"], drop_capabilities: ["ALL"] },
    seccomp: { profile_type: "RuntimeDefault" },
    no_new_privs: true,
    readonly_rootfs: true,
    namespace_options: { network: "NODE", pid: "CONTAINER" },
  };
  const script = "id; grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | cut -f2; (: >/tmp/x) 2>&1 || true";
  const lines = (await logged(script, { security })).split("\n");
  expect(lines).toEqual([
    expect.stringMatching(/^uid=1000\(app\) .*29\(audio\)/),
    "0000000000001000",
    "1",
    "2",
    "sh: can't create /tmp/x: Read-only file system",
  ]);
});

test("volumes and masked paths, environment and directory", async () => {
  const directory = subdirectory("volume");
  writeFileSync(path.join(directory, "in"), "from outside\n");
  const config = {
    mounts: [
      { container_path: "/data", host_path: directory },
      { container_path: "/ro", host_path: directory, readonly: true },
    ],
    envs: [{ key: "A", value: "b c" }],
    working_dir: "/home/app",
  };
  const security = { masked_paths: ["/proc/keys"], readonly_paths: ["/proc/sys"] };
  const script = 'cat /data/in; echo x >/data/out; (: >/ro/no) 2>&1; wc -c </proc/keys; echo "$A"; pwd';
  expect((await logged(script, { config, security })).split("\n")).toEqual([
    "from outside",
    "sh: can't create /ro/no: Read-only file system",
    "0",
    "b c",
    "/home/app",
  ]);
  expect(readFileSync(path.join(directory, "out"), "utf8")).toBe("x\n");
});

test("removing a pod takes its running containers with it", async () => {
  const sandbox = await pod();
  const id = await runContainer(engine(), sandbox, "box", FOREVER);
  await engine().ask("StopPodSandbox", { pod_sandbox_id: sandbox.id });
  expect(await statusOf(engine(), id)).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 137 });
  await engine().ask("RemovePodSandbox", { pod_sandbox_id: sandbox.id });
  expect(await refusal(statusOf(engine(), id))).toContain("not found");
});
