/** The process of an exec: from a file, or the container's own with what the command line says. */
import { TsruncError } from "../errors.ts";
import { isCapability } from "../spec/capabilities.ts";
import { readText } from "../spec/files.ts";
import { type LoadedProcess, loadProcess } from "../spec/load.ts";
import type { Process, Spec, User } from "../spec/types.ts";
import type { ExecOptions } from "./options.ts";
import { absolutePath } from "./paths.ts";

/** (uid_t)-1 means "no change" to the kernel, so it is nobody's id. */
const MAX_ID = 0xffff_fffe;

export interface ExecProcess {
  readonly target: Process;
  /** JSON pointer of the process. */
  readonly at: string;
  readonly warnings: readonly string[];
}

/** @throws TsruncError `config` (file), `usage` (flags) */
export function execProcess(spec: Spec, options: ExecOptions): ExecProcess {
  const own = spec.process;
  if (options.process !== undefined) {
    const { process, warnings } = readProcess(options.process);
    return { target: own === undefined ? process : withDefaults(process, own), at: "", warnings };
  }
  if (own === undefined) {
    const hint = "give the whole process with `--process`";
    throw new TsruncError("config", "the container's config has no process", { at: "/process", hint });
  }
  return { target: fromFlags(own, options), at: "/process", warnings: [] };
}

function readProcess(file: string | Process): LoadedProcess {
  if (typeof file !== "string") return loadProcess(JSON.stringify(file), "process");
  const path = absolutePath(file, "flag `--process`");
  return loadProcess(readText(path), path);
}

/** What a process file leaves out is as for the container itself (as runc has it). */
function withDefaults(process: Process, own: Process): Process {
  return {
    ...process,
    ...inherited("capabilities", process, own),
    ...inherited("apparmorProfile", process, own),
    ...inherited("selinuxLabel", process, own),
    ...inherited("noNewPrivileges", process, own),
    ...(process.rlimits === undefined || process.rlimits.length === 0 ? inherited("rlimits", {}, own) : {}),
  };
}

function inherited<K extends keyof Process>(
  key: K,
  process: Partial<Process>,
  own: Process,
): Partial<Pick<Process, K>> {
  if (process[key] !== undefined || own[key] === undefined) return {};
  return { [key]: own[key] } as Partial<Pick<Process, K>>;
}

function fromFlags(own: Process, options: ExecOptions): Process {
  const odd = options.env.find((variable) => variable.indexOf("=") < 1);
  if (odd !== undefined)
    throw new TsruncError("usage", `flag \`--env\`: expected NAME=value, found \`${odd.split("=", 1)[0]}\``);
  return {
    ...own,
    args: options.args,
    env: [...(own.env ?? []), ...options.env],
    cwd: options.cwd ?? own.cwd,
    terminal: options.tty ?? false,
    user: userOf(own.user, options),
    ...(options.apparmor === undefined ? {} : { apparmorProfile: options.apparmor }),
    ...(options.processLabel === undefined ? {} : { selinuxLabel: options.processLabel }),
    ...(options.noNewPrivs === undefined ? {} : { noNewPrivileges: options.noNewPrivs }),
    ...(options.caps.length === 0 ? {} : { capabilities: withCapabilities(own, options.caps) }),
  };
}

function userOf(own: User, { user, additionalGids }: ExecOptions): User {
  const groups =
    additionalGids.length === 0 ? {} : { additionalGids: [...(own.additionalGids ?? []), ...additionalGids] };
  if (user === undefined) return { ...own, ...groups };
  const [uid, gid] = parseUser(user);
  return { ...own, uid, gid: gid ?? own.gid, ...groups };
}

/** Strictly decimal `uid[:gid]`: a prefix that parses must never pass for the whole (CVE-2026-30892). */
export function parseUser(text: string): [uid: number, gid: number | undefined] {
  const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  const [uid, gid] = [Number(match?.[1]), match?.[2] === undefined ? undefined : Number(match[2])];
  if (match === null || uid > MAX_ID || (gid ?? 0) > MAX_ID) {
    throw new TsruncError("usage", `flag \`--user\`: expected UID or UID:GID in decimal, found \`${text}\``, {
      hint: "ids are below 4294967295; names are not looked up",
    });
  }
  return [uid, gid];
}

/** Never the inheritable set: it would outlive the exec of an ordinary program (CVE-2022-29162). */
function withCapabilities(own: Process, names: readonly string[]): NonNullable<Process["capabilities"]> {
  const added = names.map((name) => {
    const full = name.toUpperCase().startsWith("CAP_") ? name.toUpperCase() : `CAP_${name.toUpperCase()}`;
    if (!isCapability(full)) throw new TsruncError("usage", `flag \`--cap\`: unknown capability \`${name}\``);
    return full;
  });
  const sets = own.capabilities ?? {};
  const join = (set: readonly string[] | undefined) => [...new Set([...(set ?? []), ...added])];
  const inheritable = sets.inheritable ?? [];
  return {
    ...sets,
    bounding: join(sets.bounding),
    effective: join(sets.effective),
    permitted: join(sets.permitted),
    // What the container may inherit anyway can be ambient, as runc has it.
    ambient: [...new Set([...(sets.ambient ?? []), ...added.filter((name) => inheritable.includes(name))])],
  };
}
