/** The part of `node:process` that tsrunc uses. Nothing is read before it is asked for: this is part of a snapshot. */
import { attempt, call, checked, failure } from "./call.ts";
import { readLink } from "./fs.ts";
import { host } from "./host.ts";

/** Stands for the script that other hosts have as argv[1]. */
const SCRIPT = "/$quickjs/tsrunc";
const CLOCK_MONOTONIC = 1;
const PATH_MAX = 4096;

let words: readonly string[] | undefined;
let variables: Record<string, string> | undefined;

/** Forgets what is known of this process, for the next one that has this memory. */
export function forget(): void {
  words = undefined;
  variables = undefined;
}

function argv(): readonly string[] {
  words ??= host.argv();
  return words;
}

function environment(): Record<string, string> {
  if (variables === undefined) {
    variables = Object.create(null) as Record<string, string>;
    for (const variable of host.environ()) {
      const cut = variable.indexOf("=");
      // The first counts, as with getenv(3).
      if (cut > 0) variables[variable.slice(0, cut)] ??= variable.slice(cut + 1);
    }
  }
  return variables;
}

function pairs(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

const own = {
  arch: host.arch,
  platform: "linux",
  versions: { quickjs: host.version } as Readonly<Record<string, string>>,
  get argv0(): string {
    return argv()[0] ?? "";
  },
  get argv(): string[] {
    return [own.execPath, SCRIPT, ...argv().slice(1)];
  },
  get env(): Record<string, string> {
    return environment();
  },
  get pid(): number {
    return attempt("getpid");
  },
  get execPath(): string {
    return readLink("/proc/self/exe") ?? "";
  },
  /** `process.execve` of Bun, with the other descriptors as they are. @throws Error as Node's; it returns in no other way */
  execve(file: string, args: readonly string[], env: Readonly<Record<string, string>>): never {
    // Byte for byte, where it is ours: names may occur twice, and values need not be UTF-8.
    const result = env === variables ? host.execve(file, args) : host.execve(file, args, pairs(env));
    throw failure(-result, "execve", file);
  },
  cwd(): string {
    const bytes = new Uint8Array(PATH_MAX);
    const length = call("getcwd", undefined, bytes, bytes.length);
    return host.decode(bytes, 0, length - 1, 0);
  },
  chdir(path: string): void {
    call("chdir", path, checked(path));
  },
  kill(pid: number, signal: number): void {
    call("kill", undefined, pid, signal);
  },
  getuid: () => attempt("getuid"),
  geteuid: () => attempt("geteuid"),
  getegid: () => attempt("getegid"),
  hrtime: { bigint: () => BigInt(host.clock(CLOCK_MONOTONIC)) },
  reallyExit: (status: number) => host.exit(status),
};

const { arch, platform, versions, getuid, geteuid, getegid } = own;

export { arch, getegid, geteuid, getuid, platform, versions };
// biome-ignore lint/style/noDefaultExport: `node:process` has one
export default own;
