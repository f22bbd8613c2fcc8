/** containerd with its own configuration, state and socket; `ctr` as its client. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { shownConfiguration } from "./configuration.ts";
import { call, type Engine, must, ready, startDaemon, stopDaemon } from "./engine.ts";
import { makeImage, PAUSE_IMAGE } from "./image.ts";
import { openRoom } from "./room.ts";
import { subdirectory, TAG } from "./workspace.ts";

export interface Containerd extends Engine {
  readonly socket: string;
}

interface Options {
  /** Whether Kubernetes' interface is offered, with a handler `tsrunc` for the runtime under test. */
  readonly cri?: boolean;
}

function criSection(): string {
  return `
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
${shownConfiguration("containerd.toml")}`;
}

function configuration(directory: string, socket: string, options: Options): string {
  return `version = 2
root = "${path.join(directory, "root")}"
state = "/run/containerd"
disabled_plugins = [${options.cri ? "" : '"io.containerd.grpc.v1.cri", '}"io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
${options.cri ? criSection() : ""}`;
}

/** Starts containerd. The namespace that `ctr` works in bears the run's mark, and so do the cgroups below it. */
export async function startContainerd(options: Options = {}): Promise<Containerd> {
  const room = await openRoom();
  const directory = subdirectory("containerd");
  const socket = path.join(directory, "sock");
  const file = path.join(directory, "config.toml");
  writeFileSync(file, configuration(directory, socket, options));
  const daemon = startDaemon(room, "containerd", ["containerd", "-c", file], process.env);
  const engine: Containerd = {
    name: "containerd",
    socket,
    room,
    client: room.inside(["ctr", "-a", socket, "-n", TAG]),
    runFlags: [],
    cgroups: true,
    stateRoots: () => [room.outside(`/run/containerd/runc/${TAG}`)],
    isParentCgroup: (cgroup) => cgroup.endsWith(`/${TAG}`),
    removeAll: async () => await removeAll(engine),
    stop: async () => await stopDaemon(daemon),
  };
  await ready("containerd", daemon, async () => (await call(engine, ["version"])).code === 0);
  return engine;
}

async function removeAll(engine: Engine): Promise<void> {
  const tasks = (await must(engine, ["task", "ls", "-q"])).split("\n").filter((id) => id !== "");
  for (const id of tasks) await call(engine, ["task", "rm", "-f", id]);
  const containers = (await must(engine, ["container", "ls", "-q"])).split("\n").filter((id) => id !== "");
  if (containers.length > 0) await must(engine, ["container", "rm", ...containers]);
}

/** containerd that has the image, for `ctr`. */
export async function startCtr(): Promise<Containerd> {
  const engine = await startContainerd();
  await must(engine, ["images", "import", await makeImage()]);
  return engine;
}
