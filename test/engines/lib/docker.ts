/** dockerd with a containerd of its own. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { shownConfiguration } from "./configuration.ts";
import { startContainerd } from "./containerd.ts";
import { call, type Engine, must, ready, startDaemon, stopDaemon } from "./engine.ts";
import { makeImage } from "./image.ts";
import { names } from "./leaks.ts";
import { CGROUP_MANAGER, CGROUP_PARENT } from "./manager.ts";
import { runcDirectory, subdirectory, TAG } from "./workspace.ts";

/** Debian's client: another one may come first in PATH. */
const DOCKER = "/usr/bin/docker";

function daemonFlags(directory: string, socket: string, containerd: string): readonly string[] {
  const configuration = path.join(directory, "daemon.json");
  writeFileSync(configuration, shownConfiguration("daemon.json"));
  return [
    ...["--data-root", path.join(directory, "data"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"],
    ...["-H", `unix://${socket}`, "--containerd", containerd, "--group", "root"],
    ...["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"],
    ...["--bridge=none", "--storage-driver", "overlay2", "--exec-opt", `native.cgroupdriver=${CGROUP_MANAGER}`],
    ...["--cgroup-parent", CGROUP_PARENT, "--config-file", configuration],
  ];
}

export async function startDocker(): Promise<Engine> {
  const containerd = await startContainerd();
  const { room } = containerd;
  const directory = subdirectory("docker");
  const socket = path.join(directory, "sock");
  // BuildKit looks for `runc` in PATH, whatever the default runtime is.
  const env = { ...process.env, PATH: `${runcDirectory()}:${process.env.PATH}` };
  const flags = daemonFlags(directory, socket, containerd.socket);
  const daemon = startDaemon(room, "dockerd", ["dockerd", ...flags], env);
  const engine: Engine = {
    name: "docker",
    room,
    client: [DOCKER, "--config", subdirectory("docker/config"), "-H", `unix://${socket}`],
    runFlags: ["--network", "none"],
    cgroups: true,
    stateRoots: () => [
      ...names(room.outside("/run/docker")).flatMap((name) =>
        name.startsWith("runtime-") ? [room.outside(`/run/docker/${name}/moby`)] : [],
      ),
    ],
    isParentCgroup: (cgroup) => new RegExp(`/${TAG}(\\.slice)?(/buildkit)?$`).test(cgroup),
    removeAll: async () => {
      const ids = (await must(engine, ["ps", "-aq"])).split("\n").filter((id) => id !== "");
      if (ids.length > 0) await must(engine, ["rm", "-f", "-v", ...ids]);
    },
    stop: async () => {
      await stopDaemon(daemon);
      await containerd.stop();
    },
  };
  await ready("dockerd", daemon, async () => (await call(engine, ["version"])).code === 0);
  await must(engine, ["load", "-i", await makeImage()]);
  return engine;
}
