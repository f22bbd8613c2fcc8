/** Options that change a spec without an editor: `run --memory 64M --env A=b …`. Pure. */
import { TsruncError } from "../errors.ts";
import { parseSize } from "./sizes.ts";
import type { Linux, Mount, Process, Resources, Spec } from "./types.ts";

/** As given on the command line; an absent one changes nothing. */
export interface SpecOptions {
  /** Root filesystem, absolute or relative to the bundle. */
  readonly rootfs?: string | undefined;
  readonly readonly?: boolean | undefined;
  readonly hostname?: string | undefined;
  readonly tty?: boolean | undefined;
  /** How many, such as `1.5`. */
  readonly cpus?: string | undefined;
  /** Size such as `64M`, or `-1`. */
  readonly memory?: string | undefined;
  /** How many tasks, or `-1`. */
  readonly pids?: string | undefined;
  /** `NAME=VALUE`; takes the place of a variable of that name. */
  readonly env?: readonly string[] | undefined;
  /** `SOURCE:DESTINATION[:OPTION,OPTION…]`, a recursive bind mount. */
  readonly mounts?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** `UID[:GID]`, numbers. */
  readonly user?: string | undefined;
  /** Program and arguments. */
  readonly args?: readonly string[] | undefined;
}

/** One second's tenth, as in Docker. */
const CPU_PERIOD = 100_000;
/** The kernel takes no quota below 1 ms. */
const MIN_CPU_QUOTA = 1000;

/**
 * The spec with the options applied. The order of fields is kept; a field that was absent comes last.
 *
 * @throws TsruncError "usage" for a value that is none, with the option's name.
 */
export function applySpecOptions(spec: Spec, options: SpecOptions): Spec {
  let changed = spec;
  if (options.rootfs !== undefined || options.readonly !== undefined) {
    changed = { ...changed, root: applyRoot(spec, options) };
  }
  if (options.hostname !== undefined) changed = { ...changed, hostname: options.hostname };
  const process = applyProcess(spec.process, options);
  if (process !== undefined && process !== spec.process) changed = { ...changed, process };
  if (options.mounts !== undefined && options.mounts.length > 0) {
    changed = { ...changed, mounts: [...(spec.mounts ?? []), ...options.mounts.map(parseMount)] };
  }
  const linux = applyLinux(spec.linux, options);
  return linux === undefined || linux === spec.linux ? changed : { ...changed, linux };
}

function applyRoot(spec: Spec, options: SpecOptions): NonNullable<Spec["root"]> {
  const path = options.rootfs ?? spec.root?.path ?? "rootfs";
  if (path === "") throw wrong("--rootfs", "a path", path);
  const root = { ...spec.root, path };
  return options.readonly === undefined ? root : { ...root, readonly: options.readonly };
}

function applyProcess(process: Process | undefined, options: SpecOptions): Process | undefined {
  const { args, env = [], tty, cwd, user } = options;
  const hasArgs = args !== undefined && args.length > 0;
  if (!hasArgs && env.length === 0 && tty === undefined && cwd === undefined && user === undefined) return process;
  const base: Process = process ?? { user: { uid: 0, gid: 0 }, cwd: "/" };
  return {
    ...base,
    ...(tty === undefined ? {} : { terminal: tty }),
    ...(user === undefined ? {} : { user: { ...base.user, ...parseUser(user) } }),
    ...(hasArgs ? { args } : {}),
    ...(env.length === 0 ? {} : { env: mergeEnv(base.env ?? [], env) }),
    ...(cwd === undefined ? {} : { cwd: parseCwd(cwd) }),
  };
}

function parseCwd(cwd: string): string {
  if (!cwd.startsWith("/")) throw wrong("--cwd", "an absolute path", cwd);
  return cwd;
}

/** Whole decimal numbers only: a lenient parser here is how CVE-2026-30892 gave the wrong user. */
function parseUser(text: string): { uid: number; gid?: number } {
  const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  const uid = Number(match?.[1]);
  const gid = match?.[2] === undefined ? undefined : Number(match[2]);
  if (match === null || uid > 4_294_967_294 || (gid ?? 0) > 4_294_967_294) {
    throw wrong("--user", "numbers as in `UID` or `UID:GID`", text);
  }
  return gid === undefined ? { uid } : { uid, gid };
}

/** With its `=`, so that an entry that has none is no variable. */
function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf("=") + 1);
}

/** A new value takes the place of the old one; a new name comes last. */
export function mergeEnv(env: readonly string[], more: readonly string[]): string[] {
  const merged = [...env];
  // Of a name that is there twice the first is replaced.
  const places = new Map(env.map((entry, i): [string, number] => [nameOf(entry), i]).reverse());
  for (const entry of more) {
    const end = entry.indexOf("=");
    if (end <= 0) throw wrong("--env", "`NAME=VALUE`", entry.split("=")[0] ?? "");
    const name = nameOf(entry);
    const index = places.get(name);
    if (index !== undefined) merged[index] = entry;
    else places.set(name, merged.push(entry) - 1);
  }
  return merged;
}

/** `/data:/mnt:ro` → a recursive bind mount of /data on /mnt. */
export function parseMount(text: string): Mount {
  const [source = "", destination = "", options, ...rest] = text.split(":");
  if (source === "" || !destination.startsWith("/") || rest.length > 0 || options === "") {
    throw wrong("--mount", "`SOURCE:DESTINATION[:OPTIONS]` with an absolute destination", text);
  }
  const given = options?.split(",") ?? [];
  const isBind = given.includes("bind") || given.includes("rbind");
  return { destination, type: "bind", source, options: isBind ? given : ["rbind", ...given] };
}

function applyLinux(linux: Linux | undefined, options: SpecOptions): Linux | undefined {
  const { cpus, memory, pids, hostname } = options;
  let changed = linux;
  if (cpus !== undefined || memory !== undefined || pids !== undefined) {
    changed = { ...changed, resources: applyResources(linux?.resources, options) };
  }
  const namespaces = changed?.namespaces ?? [];
  if (hostname !== undefined && !namespaces.some(({ type }) => type === "uts")) {
    changed = { ...changed, namespaces: [...namespaces, { type: "uts" }] };
  }
  return changed;
}

function applyResources(resources: Resources | undefined, options: SpecOptions): Resources {
  const { cpus, memory, pids } = options;
  return {
    ...resources,
    ...(memory === undefined ? {} : { memory: { ...resources?.memory, limit: parseSize(memory, "flag `--memory`") } }),
    ...(cpus === undefined ? {} : { cpu: { ...resources?.cpu, quota: parseCpus(cpus), period: CPU_PERIOD } }),
    ...(pids === undefined ? {} : { pids: { ...resources?.pids, limit: parsePids(pids) } }),
  };
}

function parseCpus(text: string): number {
  const quota = /^(?:\d+|\d*\.\d+)$/.test(text) ? Math.round(Number(text) * CPU_PERIOD) : Number.NaN;
  if (!Number.isSafeInteger(quota) || quota < MIN_CPU_QUOTA) {
    throw wrong("--cpus", "a number such as `1.5`, at least `0.01`", text);
  }
  return quota;
}

function parsePids(text: string): number {
  const limit = /^(-1|\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(limit)) throw wrong("--pids", "a whole number or `-1`", text);
  return limit;
}

function wrong(option: string, expected: string, found: string): TsruncError {
  return new TsruncError("usage", `flag \`${option}\`: expected ${expected}, found \`${found}\``);
}
