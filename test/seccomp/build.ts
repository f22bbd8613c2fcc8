/** Building the static C programs that tests put into containers or talk to. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const built = new Map<string, string>();

/** Path of the program made from `name`.c of this folder; made once per run. */
export function buildStatic(name: string): string {
  let target = built.get(name);
  if (target === undefined) {
    target = path.join(mkdtempSync(path.join(tmpdir(), "seccomp-")), name);
    const source = path.join(import.meta.dirname, `${name}.c`);
    const common = ["-std=gnu11", "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-o", target, source];
    const musl = "/usr/bin/musl-gcc";
    if (existsSync(musl)) execFileSync(musl, [...common, ...kernelHeaders()], { stdio: "inherit" });
    else execFileSync("cc", common, { stdio: "inherit" });
    built.set(name, target);
  }
  return target;
}

/** musl has no <linux/…> of its own. */
function kernelHeaders(): readonly string[] {
  const triple = execFileSync("cc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  return ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}`];
}
