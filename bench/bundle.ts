/** The bundles: one root file system and, for all runtimes, the configuration that `tsrunc spec` writes. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Seccomp, Spec } from "../src/spec/types.ts";
import { engineProfile } from "../test/seccomp/engine-profiles.ts";
import { CHECKOUT } from "./runtimes.ts";

/** In what a bundle differs from the usual one. */
export interface Variant {
  /** Docker's default profile. */
  readonly seccomp?: boolean;
  /** False: on the host's network. */
  readonly network?: boolean;
  /** The program waits to be killed. */
  readonly sleeps?: boolean;
  readonly memoryLimit?: number;
}

export interface Bundle {
  /** Id of its container and name of its cgroup. */
  readonly id: string;
  readonly directory: string;
  /** Where `create` is to write the container's pid. */
  readonly pidFile: string;
}

export class Bundles {
  readonly rootfs: string;
  readonly #directory: string;
  readonly #cgroupParent: string;
  readonly #base: Spec;
  #profile: Seccomp | undefined;

  /** @param programs directory with `true` and `sleep` */
  constructor(directory: string, programs: string, cgroupParent: string) {
    this.#directory = directory;
    this.#cgroupParent = cgroupParent;
    this.rootfs = path.join(directory, "rootfs");
    for (const name of ["dev", "proc", "sys"]) mkdirSync(path.join(this.rootfs, name), { recursive: true });
    for (const name of ["true", "sleep"]) copyFileSync(path.join(programs, name), path.join(this.rootfs, name));
    execFileSync(path.join(CHECKOUT, "dist/tsrunc"), ["spec", "-b", directory, "--tty=false", "--hostname", "bench"]);
    this.#base = JSON.parse(readFileSync(path.join(directory, "config.json"), "utf8")) as Spec;
  }

  /** Writes a bundle; one of the same id is replaced. */
  write(id: string, variant: Variant = {}): Bundle {
    const directory = path.join(this.#directory, id);
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "config.json"), JSON.stringify(this.#spec(id, variant), undefined, "\t"));
    return { id, directory, pidFile: path.join(directory, "pid") };
  }

  #spec(id: string, { seccomp = false, network = true, sleeps = false, memoryLimit }: Variant): Spec {
    const { process, linux = {} } = this.#base;
    const namespaces = (linux.namespaces ?? []).filter(({ type }) => network || type !== "network");
    const memory = memoryLimit === undefined ? {} : { memory: { limit: memoryLimit } };
    return {
      ...this.#base,
      ociVersion: "1.0.2", // old releases of crun refuse later ones
      process: { ...process!, args: [sleeps ? "/sleep" : "/true"] },
      root: { path: this.rootfs, readonly: true },
      linux: {
        ...linux,
        namespaces,
        cgroupsPath: `${this.#cgroupParent}/${id}`,
        resources: { ...linux.resources, ...memory },
        ...(seccomp ? { seccomp: this.#dockerProfile() } : {}),
      },
    };
  }

  #dockerProfile(): Seccomp {
    const arm = process.arch === "arm64";
    this.#profile ??= engineProfile("docker", arm ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64", arm ? "arm64" : "amd64");
    return this.#profile;
  }
}
