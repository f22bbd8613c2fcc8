/** podman and buildah, as root and as an ordinary user, with storage and configuration of their own. */
import { chmodSync, chownSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { shownConfiguration } from "./configuration.ts";
import { type Engine, must } from "./engine.ts";
import { makeImage } from "./image.ts";
import { CGROUP_MANAGER, CGROUP_PARENT } from "./manager.ts";
import { openRoom, type Room } from "./room.ts";
import { ok } from "./run.ts";
import { runtimePath, subdirectory, TAG } from "./workspace.ts";

/**
 * The README's configuration, and what these tests need besides. podman goes by the runtime's name in what it asks of
 * it, so a control run keeps its own.
 */
function configuration(): string {
  const shown = shownConfiguration("containers.conf").replace(/^(runtime = )"tsrunc"|^tsrunc = /gm, (line) =>
    line.replace("tsrunc", path.basename(runtimePath())),
  );
  // podman's own default for open files is more than a user, or root without CAP_SYS_RESOURCE, may ask for; and the
  // journal, where it would log under systemd, is not in the room.
  return `${shown}
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=2048:4096"]
log_driver = "k8s-file"
`.replace(
    "[engine]\n",
    `[engine]\ncgroup_manager = "${CGROUP_MANAGER}"\nevents_logger = "file"\nlock_type = "file"\nstop_timeout = 1\n`,
  );
}

function environment(directory: string): NodeJS.ProcessEnv {
  const file = path.join(directory, "containers.conf");
  writeFileSync(file, configuration());
  return { ...process.env, CONTAINERS_CONF: file, ENGINE_TEST: TAG };
}

function podmanFlags(directory: string): readonly string[] {
  return ["--root", path.join(directory, "root"), "--runroot", "/run/podman/run", "--tmpdir", "/run/podman/tmp"];
}

/** The runtime's own default: podman does not name a directory for its state. */
function defaultRoots(room: Room, above: string): readonly string[] {
  return ["tsrunc", "runc", "crun"].map((name) => room.outside(`${above}/${name}`));
}

/** conmon's cgroups and those of pods are podman's; not all of them are removed by it. */
function isParentCgroup(cgroup: string): boolean {
  return new RegExp(`/${TAG}(\\.slice)?(/[0-9a-f]{64})?(/conmon)?$`).test(cgroup);
}

async function removeAllOf(engine: Engine): Promise<void> {
  await must(engine, ["pod", "rm", "-a", "-f", "-t", "0"]);
  await must(engine, ["rm", "-a", "-f", "-v", "-t", "0"]);
}

export async function startPodman(): Promise<Engine> {
  const room = await openRoom();
  const directory = subdirectory("podman");
  const engine: Engine = {
    name: "podman",
    room,
    client: room.inside(["podman", ...podmanFlags(directory)]),
    env: environment(directory),
    runFlags: ["--network", "none", "--cgroup-parent", CGROUP_PARENT, "--env", `ENGINE_TEST=${TAG}`],
    cgroups: true,
    stateRoots: () => defaultRoots(room, "/run"),
    isParentCgroup,
    removeAll: async () => await removeAllOf(engine),
    stop: async () => {},
  };
  await must(engine, ["load", "-i", await makeImage()]);
  return engine;
}

/** buildah as root. Its working containers are no containers of the runtime: those live as long as one `run`. */
export async function startBuildah(): Promise<Engine> {
  const room = await openRoom();
  const directory = subdirectory("buildah");
  const engine: Engine = {
    name: "buildah",
    room,
    client: room.inside(["buildah", "--root", path.join(directory, "root"), "--runroot", "/run/buildah"]),
    env: { ...environment(directory), TMPDIR: subdirectory("buildah/tmp") },
    runFlags: [],
    cgroups: true,
    stateRoots: () => defaultRoots(room, "/run"),
    isParentCgroup,
    removeAll: async () => void (await must(engine, ["rm", "-a"])),
    stop: async () => {},
  };
  await must(engine, ["pull", `docker-archive:${await makeImage()}`]);
  return engine;
}

const USER = { name: "guest", uid: 6300 };

/** The host's own user database, with one user more who has subordinate ids. */
function userFiles(home: string): Readonly<Record<string, string>> {
  return {
    "/etc/passwd": `root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n${USER.name}:x:${USER.uid}:${USER.uid}::${home}:/bin/sh\n`,
    "/etc/group": `root:x:0:\ntty:x:5:\nnogroup:x:65534:\n${USER.name}:x:${USER.uid}:\n`,
    "/etc/subuid": `${USER.name}:700000:65536\n`,
    "/etc/subgid": `${USER.name}:700000:65536\n`,
  };
}

/** Ends the process that keeps a user's namespaces between two calls of podman. */
function endPauseProcess(pidFile: string): void {
  const pid = Number.parseInt(readFileSync(pidFile, "utf8"), 10);
  if (pid > 1) process.kill(pid, "SIGKILL");
}

/** podman of an ordinary user: containers in a user namespace, and on cgroup v1 without cgroups of their own. */
export async function startRootlessPodman(): Promise<Engine> {
  const home = subdirectory("home");
  chownSync(home, USER.uid, USER.uid);
  const room = await openRoom(userFiles(home));
  const directory = subdirectory("podman");
  const runtimeDirectory = `/run/user/${USER.uid}`;
  const env = { ...environment(directory), HOME: home, USER: USER.name, XDG_RUNTIME_DIR: runtimeDirectory };
  await ok(room.inside(["install", "-d", "-m", "700", "-o", USER.name, "-g", USER.name, runtimeDirectory]));
  const as = ["setpriv", `--reuid=${USER.uid}`, `--regid=${USER.uid}`, "--clear-groups", "--inh-caps=-all"];
  const engine: Engine = {
    name: "podman (rootless)",
    room,
    client: room.inside([...as, "podman"]),
    env,
    runFlags: ["--network", "none", "--env", `ENGINE_TEST=${TAG}`],
    cgroups: false,
    stateRoots: () => defaultRoots(room, runtimeDirectory),
    isParentCgroup,
    removeAll: async () => await removeAllOf(engine),
    stop: async () => endPauseProcess(room.outside(`${runtimeDirectory}/libpod/tmp/pause.pid`)),
  };
  const archive = await makeImage();
  chmodSync(archive, 0o644);
  await must(engine, ["load", "-i", archive]);
  return engine;
}
