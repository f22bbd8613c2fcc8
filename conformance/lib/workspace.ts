/** The run's own directory: state root, helper programs and the root file system all bundles are copied from. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Mark of this run: part of every id, path and environment, so that whatever is left behind can be recognised. */
export const TAG = `cf${process.pid.toString(36)}${Math.floor(Math.random() * 46656)
  .toString(36)
  .padStart(3, "0")}`;

const PROBE_SOURCES = path.resolve(import.meta.dirname, "../probe");
const APPLETS =
  "sh cat sleep true false ls id mount umount mkdir touch echo ps kill env dd head test stat readlink chmod hostname grep";

let directory: string | undefined;

/** The run's directory, made at first use. */
export function workspace(): string {
  if (directory !== undefined) return directory;
  const made = mkdtempSync(path.join(tmpdir(), `conformance-${TAG}-`));
  chmodSync(made, 0o755); // containers with a user namespace have to get through
  directory = made;
  return made;
}

/** Removes the run's directory; the next use makes a new one. */
export function removeWorkspace(): void {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  directory = undefined;
}

/** The private directory given as `--root`. */
export function stateRoot(): string {
  const root = path.join(workspace(), "state");
  mkdirSync(root, { recursive: true, mode: 0o711 });
  return root;
}

/** A package of the suite has the programs for several architectures, by Node's names for them. */
function prebuilt(name: string): string | undefined {
  const file = path.join(PROBE_SOURCES, "built", process.arch, name);
  return existsSync(file) ? file : undefined;
}

/** musl has no <linux/…> of its own. */
function kernelHeaders(compiler: string): readonly string[] {
  if (compiler !== "musl-gcc") return [];
  const triple = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  return ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}`];
}

/** Builds a helper program, unless it is there and newer than all sources. */
function compile(name: string, parts: readonly string[]): string {
  const ready = prebuilt(name);
  if (ready !== undefined) return ready;
  const inputs = readdirSync(PROBE_SOURCES).filter((file) => /\.[ch]$/.test(file));
  const changed = Math.max(...inputs.map((file) => statSync(path.join(PROBE_SOURCES, file)).mtimeMs));
  const sources = parts.map((part) => path.join(PROBE_SOURCES, `${part}.c`));
  const target = path.join(PROBE_SOURCES, "build", name);
  if (existsSync(target) && statSync(target).mtimeMs > changed) return target;
  mkdirSync(path.dirname(target), { recursive: true });
  const fresh = `${target}.${process.pid}`;
  for (const compiler of ["musl-gcc", "cc", "gcc"]) {
    try {
      execFileSync(compiler, ["-std=gnu11", "-O2", "-static", "-o", fresh, ...sources, ...kernelHeaders(compiler)], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      renameSync(fresh, target);
      return target;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error("no C compiler found: install `musl-tools` or `gcc`");
}

/** The static program that reports from inside a container. */
export function probeProgram(): string {
  return compile("probe", ["probe", "json", "report", "operations"]);
}

/** The program that receives a terminal or a pidfd on a unix socket. */
export function receiverProgram(): string {
  return compile("recvtty", ["recvtty"]);
}

/** The program that tells of every mount that comes into its mount namespace. */
export function watcherProgram(): string {
  return compile("watchmounts", ["watchmounts"]);
}

/** The program that takes seccomp notifications. */
export function agentProgram(): string {
  return compile("agent", ["agent"]);
}

function busybox(): string {
  const found = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"].find((file) => existsSync(file));
  if (found === undefined) throw new Error("no busybox found: install `busybox-static`");
  return found;
}

/** Root file system shared as a source of hard links; nothing may write to its files. */
function baseRootfs(): string {
  const base = path.join(workspace(), "base");
  if (existsSync(base)) return base;
  const made = `${base}.new`;
  for (const dir of ["bin", "dev", "etc", "home/app", "proc", "root", "sys", "tmp", "var/lib", "run"])
    mkdirSync(path.join(made, dir), { recursive: true, mode: 0o755 });
  copyFileSync(busybox(), path.join(made, "bin/busybox"));
  copyFileSync(probeProgram(), path.join(made, "bin/probe"));
  for (const applet of APPLETS.split(" ")) symlinkSync("busybox", path.join(made, "bin", applet));
  writeFileSync(
    path.join(made, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n",
  );
  writeFileSync(path.join(made, "etc/group"), "root:x:0:\napp:x:1000:\naudio:x:29:app\n");
  chmodSync(path.join(made, "tmp"), 0o1777);
  renameSync(made, base);
  return base;
}

/** Programs are hard links, which nothing may write to; small files are the bundle's own, for cases that change them. */
const LARGE = 65_536;

function linkTree(from: string, to: string): void {
  mkdirSync(to, { mode: 0o755 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name);
    const target = path.join(to, entry.name);
    if (entry.isDirectory()) linkTree(source, target);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (statSync(source).size > LARGE) linkSync(source, target);
    else copyFileSync(source, target);
  }
}

/** Makes a fresh root file system at `target`; programs in it are hard links, directories are its own. */
export function makeRootfs(target: string): void {
  linkTree(baseRootfs(), target);
  chmodSync(path.join(target, "tmp"), 0o1777);
}
