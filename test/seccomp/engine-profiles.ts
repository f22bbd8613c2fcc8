/** The default profiles of Docker and Podman, from Debian's packages, as the engines put them into config.json. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Seccomp, SeccompAction, SeccompArch, SeccompArg } from "../../src/spec/types.ts";

interface Filter {
  readonly caps?: readonly string[] | null;
  readonly arches?: readonly string[] | null;
}

interface EngineProfile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number | null;
  readonly archMap?: readonly {
    readonly architecture: SeccompArch;
    readonly subArchitectures: readonly SeccompArch[] | null;
  }[];
  readonly syscalls: readonly {
    readonly names?: readonly string[] | null;
    readonly action: SeccompAction;
    readonly errnoRet?: number | null;
    readonly args?: readonly SeccompArg[] | null;
    readonly includes?: Filter;
    readonly excludes?: Filter;
  }[];
}

/** What Docker gives a container that is not privileged. */
const CAPABILITIES =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);

const SOURCES = {
  docker: {
    package: "golang-github-docker-docker-dev",
    path: "usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json",
  },
  podman: { package: "golang-github-containers-common", path: "usr/share/containers/seccomp.json" },
} as const;

/** `goArch` is the engine's name of `arch`. */
export function engineProfile(engine: keyof typeof SOURCES, arch: SeccompArch, goArch: string): Seccomp {
  const profile = JSON.parse(readFileSync(locate(engine), "utf8")) as EngineProfile;
  const applies = ({ includes, excludes }: EngineProfile["syscalls"][number]) =>
    (includes?.caps ?? []).every((cap) => CAPABILITIES.includes(cap)) &&
    (includes?.arches?.length ? includes.arches.includes(goArch) : true) &&
    !(excludes?.caps ?? []).some((cap) => CAPABILITIES.includes(cap)) &&
    !(excludes?.arches ?? []).includes(goArch);
  const syscalls = profile.syscalls.filter(applies).map(({ names, action, errnoRet, args }) => ({
    names: names ?? [],
    action,
    args: args ?? [],
    ...(errnoRet === null || errnoRet === undefined ? {} : { errnoRet }),
  }));
  const arches = profile.archMap?.find(({ architecture }) => architecture === arch)?.subArchitectures ?? [];
  const errno = profile.defaultErrnoRet;
  return {
    defaultAction: profile.defaultAction,
    ...(errno === null || errno === undefined ? {} : { defaultErrnoRet: errno }),
    architectures: [arch, ...arches],
    syscalls,
  };
}

/** The installed file, or that of the package, which is downloaded once per machine. */
function locate(engine: keyof typeof SOURCES): string {
  const { package: name, path } = SOURCES[engine];
  if (existsSync(join("/", path))) return join("/", path);
  const folder = join(tmpdir(), "tsrunc-test-packages", name);
  if (!existsSync(join(folder, path))) {
    mkdirSync(folder, { recursive: true });
    execFileSync("apt-get", ["download", name], { cwd: folder, stdio: "ignore" });
    const file = readdirSync(folder).find((entry) => entry.endsWith(".deb"));
    if (file === undefined) throw new Error(`no package file of ${name}: install it`);
    execFileSync("dpkg-deb", ["-x", file, "."], { cwd: folder });
  }
  return join(folder, path);
}
