import * as fs from "node:fs";
import * as path from "node:path";
import process from "node:process";
import { readCgroupFacts } from "../../cgroups/facts.ts";
import { absolutePath } from "../../container/paths.ts";
import { TsruncError } from "../../errors.ts";
import { defaultSpec, rootlessSpec } from "../../spec/defaults.ts";
import { applySpecOptions, type SpecOptions } from "../../spec/quick.ts";
import type { Call } from "../call.ts";

export function specVerb(call: Call): number {
  const made = defaultSpec({ cgroup2: readCgroupFacts().mode === "v2" });
  const base = call.flags.bool("rootless")
    ? rootlessSpec(made, process.geteuid?.() ?? 0, process.getegid?.() ?? 0)
    : made;
  const spec = applySpecOptions(base, specOptions(call));
  const bundle = call.flags.string("bundle") ?? ".";
  absolutePath(bundle, "flag `--bundle`");
  const file = path.join(bundle, "config.json");
  try {
    // With tabs and without a line feed at the end, as runc writes it.
    fs.writeFileSync(file, JSON.stringify(spec, undefined, "\t"), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new TsruncError("exists", `file \`${file}\` exists`, { errno: "EEXIST", hint: "remove it first" });
  }
  return 0;
}

function specOptions({ flags, args }: Call): SpecOptions {
  return {
    rootfs: flags.string("rootfs"),
    readonly: flags.maybeBool("readonly"),
    hostname: flags.string("hostname"),
    tty: flags.maybeBool("tty"),
    cpus: flags.string("cpus"),
    memory: flags.string("memory"),
    pids: flags.string("pids"),
    env: flags.list("env"),
    mounts: flags.list("mount"),
    args,
  };
}
