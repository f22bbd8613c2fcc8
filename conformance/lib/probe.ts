/** What the probe prints. */

export interface OpenFile {
  readonly fd: number;
  readonly cloexec: number;
  readonly target: string;
  readonly type: string;
  readonly flags: number;
}

export interface FileStat {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  readonly size: number;
  readonly dev: number;
  readonly ino: number;
}

export interface Report {
  readonly fds: readonly OpenFile[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  readonly umask: number;
  readonly pid: number;
  readonly ppid: number;
  readonly sid: number;
  readonly pgid: number;
  readonly rlimits: Readonly<Record<string, readonly [string, string]>>;
  readonly caps: Readonly<Record<"effective" | "permitted" | "inheritable" | "bounding" | "ambient", string>>;
  readonly sigBlocked: readonly number[];
  readonly sigIgnored: readonly number[];
  readonly sigCaught: readonly number[];
  readonly tty: {
    readonly isatty: readonly number[];
    readonly rows?: number;
    readonly columns?: number;
    readonly onlcr?: number;
    readonly stat?: FileStat;
    readonly controlling: number;
    readonly foreground: number;
  };
  readonly scheduler: {
    readonly policy: number;
    readonly flags: number;
    readonly nice: number;
    readonly priority: number;
    readonly runtime: number;
    readonly deadline: number;
    readonly period: number;
  };
  readonly ioprio: { readonly class: number; readonly level: number };
  readonly affinity: readonly number[];
  readonly memoryPolicy: { readonly mode: number; readonly nodes: number };
  readonly boottime: number;
  readonly monotonic: number;
  readonly hostname: string;
  readonly domainname: string;
  readonly machine: string;
  readonly namespaces: Readonly<Record<string, string>>;
  readonly noNewPrivileges: number;
  readonly securebits: number;
  readonly dumpable: number;
  readonly pdeathsig: number;
  readonly subreaper: number;
  readonly seccomp: number;
  readonly personality: number;
  readonly sessionKeyring: number;
  readonly keyringDescription: string;
  readonly mounts: readonly string[];
  readonly cgroup: readonly string[];
  readonly status: readonly string[];
  readonly uidMap: readonly string[];
  readonly gidMap: readonly string[];
  readonly setgroups: readonly string[];
  readonly oomScoreAdj: readonly string[];
  readonly exe: string;
}

/** Results by operation; `report` has its own shape. */
export class ProbeResult {
  readonly #all: Readonly<Record<string, unknown>>;

  constructor(text: string) {
    try {
      this.#all = JSON.parse(text) as Record<string, unknown>;
    } catch {
      throw new Error(`the probe printed no JSON: ${JSON.stringify(text.slice(0, 500))}`);
    }
  }

  #take(operation: string): unknown {
    if (!(operation in this.#all)) throw new Error(`the probe was not asked for \`${operation}\``);
    return this.#all[operation];
  }

  get report(): Report {
    return this.#take("report") as Report;
  }

  /** `OK`, an errno name, a link target or an array of names. */
  of(operation: string): unknown {
    return this.#take(operation);
  }

  stat(operation: string): FileStat {
    const value = this.#take(operation);
    if (typeof value !== "object") throw new Error(`\`${operation}\`: ${String(value)}`);
    return value as FileStat;
  }

  /** Content of a file that was asked for by `read=…`. @throws Error when it could not be read. */
  data(path: string): string {
    const value = this.#take(`read=${path}`) as { data: string } | string;
    if (typeof value === "string") throw new Error(`read \`${path}\`: ${value}`);
    return value.data;
  }

  /** The mountinfo line of the mount that is on top at `target`. */
  mount(target: string): MountEntry | undefined {
    return mountEntries(this.report.mounts).findLast((entry) => entry.target === target);
  }
}

/** One line of /proc/PID/mountinfo. */
export interface MountEntry {
  readonly root: string;
  readonly target: string;
  readonly options: readonly string[];
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** Parses lines of mountinfo (proc(5)). */
export function mountEntries(lines: readonly string[]): readonly MountEntry[] {
  return lines.map((line) => {
    const [left, right] = line.split(" - ") as [string, string];
    const [, , , root, target, options, ...propagation] = left.split(" ");
    const [type, source, superOptions] = right.split(" ");
    return {
      root: root ?? "",
      target: target ?? "",
      options: (options ?? "").split(","),
      propagation: propagation.filter((field) => field !== ""),
      type: type ?? "",
      source: source ?? "",
      superOptions: (superOptions ?? "").split(","),
    };
  });
}
