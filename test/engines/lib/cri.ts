/** containerd as Kubernetes drives it: calls of its CRI plugin over gRPC. */
import path from "node:path";
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { startContainerd } from "./containerd.ts";
import { type Engine, must } from "./engine.ts";
import { IMAGE, makeImage, makePauseImage } from "./image.ts";
import { until } from "./run.ts";
import { subdirectory, TAG } from "./workspace.ts";

/** The class of containers (RuntimeClass' handler) that the runtime under test is configured for. */
export const HANDLER = "tsrunc";

export interface Kubernetes extends Engine {
  readonly ask: <T = Record<string, never>>(method: string, request?: object) => Promise<T>;
}

interface Package {
  readonly v1: { readonly RuntimeService: ServiceClientConstructor };
}

type Method = (request: object, done: (error: Error | null, answer: unknown) => void) => void;

function connect(socket: string): { readonly ask: Kubernetes["ask"]; readonly close: () => void } {
  const definition = loadSync(path.resolve(import.meta.dirname, "../cri.proto"), {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
  });
  const { v1 } = loadPackageDefinition(definition).runtime as unknown as Package;
  const client = new v1.RuntimeService(`unix:${socket}`, credentials.createInsecure());
  const ask = async <T>(method: string, request: object = {}): Promise<T> =>
    await new Promise<T>((resolve, reject) => {
      const call = (client[method] as unknown as Method).bind(client);
      call(request, (error, answer) => (error === null ? resolve(answer as T) : reject(new Error(error.message))));
    });
  return { ask, close: () => client.close() };
}

async function removeSandboxes(ask: Kubernetes["ask"]): Promise<void> {
  const { items } = await ask<{ readonly items: readonly { readonly id: string }[] }>("ListPodSandbox");
  for (const { id } of items) {
    await ask("StopPodSandbox", { pod_sandbox_id: id });
    await ask("RemovePodSandbox", { pod_sandbox_id: id });
  }
}

export async function startKubernetes(): Promise<Kubernetes> {
  const containerd = await startContainerd({ cri: true });
  const client = [...containerd.client.slice(0, -1), "k8s.io"];
  const { ask, close } = connect(containerd.socket);
  const engine: Kubernetes = {
    ...containerd,
    name: "containerd's CRI plugin",
    client,
    ask,
    stateRoots: () => [containerd.room.outside("/run/containerd/runc/k8s.io")],
    removeAll: async () => await removeSandboxes(ask),
    stop: async () => {
      close();
      await containerd.stop();
    },
  };
  await until("the CRI plugin", async () => await ask("Version", { version: "v1" }));
  for (const archive of [await makePauseImage(), await makeImage()]) await must(engine, ["images", "import", archive]);
  // The plugin learns of images by events, and names them by digest as soon as it has.
  await until("the images", async () => /^sha256:[\s\S]*^sha256:/m.test(await must(engine, ["images", "ls", "-q"])));
  return engine;
}

export interface Sandbox {
  readonly id: string;
  readonly config: object;
  readonly logs: string;
}

/** A pod: host network, since there is no network plugin, and namespaces of its own for the rest. */
export async function runSandbox(engine: Kubernetes, name: string, sysctls: object = {}): Promise<Sandbox> {
  const logs = subdirectory(`logs/${name}`);
  const config = {
    metadata: { name, uid: `${TAG}-${name}`, namespace: "default" },
    log_directory: logs,
    linux: {
      cgroup_parent: `/${TAG}`,
      security_context: { namespace_options: { network: "NODE", pid: "CONTAINER" } },
      sysctls,
    },
  };
  const request = { config, runtime_handler: HANDLER };
  const { pod_sandbox_id: id } = await engine.ask<{ readonly pod_sandbox_id: string }>("RunPodSandbox", request);
  return { id, config, logs };
}

export interface ContainerOptions {
  readonly resources?: object;
  readonly security?: object;
  readonly config?: object;
}

/** Creates and starts a container in a pod; its id. */
export async function runContainer(
  engine: Kubernetes,
  sandbox: Sandbox,
  name: string,
  command: readonly string[],
  { resources = {}, security = {}, config = {} }: ContainerOptions = {},
): Promise<string> {
  const namespaces = { network: "NODE", pid: "CONTAINER" };
  const request = {
    pod_sandbox_id: sandbox.id,
    sandbox_config: sandbox.config,
    config: {
      metadata: { name },
      image: { image: IMAGE },
      command,
      log_path: `${name}.log`,
      linux: { resources, security_context: { namespace_options: namespaces, ...security } },
      ...config,
    },
  };
  const { container_id: id } = await engine.ask<{ readonly container_id: string }>("CreateContainer", request);
  await engine.ask("StartContainer", { container_id: id });
  return id;
}

export interface Executed {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

interface ExecSyncResponse {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exit_code: number;
}

/** Runs a program in a container, as kubelet does for probes. */
export async function execSync(engine: Kubernetes, id: string, command: readonly string[]): Promise<Executed> {
  const answer = await engine.ask<ExecSyncResponse>("ExecSync", { container_id: id, cmd: command, timeout: 10 });
  return { stdout: answer.stdout.toString(), stderr: answer.stderr.toString(), code: answer.exit_code };
}

export interface ContainerStatus {
  readonly state: string;
  readonly exit_code: number;
  readonly reason: string;
}

export async function statusOf(engine: Kubernetes, id: string): Promise<ContainerStatus> {
  const { status } = await engine.ask<{ readonly status: ContainerStatus }>("ContainerStatus", { container_id: id });
  return status;
}

/** Pid of a container's first process. */
export async function pidOf(engine: Kubernetes, id: string): Promise<string> {
  const request = { container_id: id, verbose: true };
  const { info } = await engine.ask<{ readonly info: { readonly info: string } }>("ContainerStatus", request);
  return String((JSON.parse(info.info) as { readonly pid: number }).pid);
}

/** Waits for a container's end. */
export async function exited(engine: Kubernetes, id: string): Promise<ContainerStatus> {
  return await until("the container to end", async () => {
    const status = await statusOf(engine, id);
    return status.state === "CONTAINER_EXITED" ? status : undefined;
  });
}
