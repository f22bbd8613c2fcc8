/** What is fuzzed: for each kind of input all that is done with it up to the bytes for tsrunc-init, and what must hold. */
import { readCgroupFacts } from "../../src/cgroups/facts.ts";
import { planCgroup } from "../../src/cgroups/plan.ts";
import { updatePlan } from "../../src/cgroups/update.ts";
import { describeError } from "../../src/cli/errors.ts";
import { parseCommandLine, UsageError } from "../../src/cli/parse.ts";
import { believable, recordProblems } from "../../src/container/record.ts";
import { formatError, TsruncError } from "../../src/errors.ts";
import { compileCreate } from "../../src/program/compile.ts";
import { encode } from "../../src/program/encode.ts";
import { programLines } from "../../src/program/narrate.ts";
import { programJson, programText } from "../../src/program/print.ts";
import type { Program } from "../../src/program/program.ts";
import { archInfo } from "../../src/seccomp/arches.ts";
import { compileSeccomp } from "../../src/seccomp/compile.ts";
import { emulate } from "../../src/seccomp/emulate.ts";
import { explain } from "../../src/seccomp/explain.ts";
import { defaultSpec } from "../../src/spec/defaults.ts";
import { parseJson } from "../../src/spec/json.ts";
import { checkSeccomp, loadProcess, loadResources, parseSpec } from "../../src/spec/load.ts";
import { resolvePointer } from "../../src/spec/pointer.ts";
import type { Process, Spec } from "../../src/spec/types.ts";
import { v2Host } from "../cgroups/fake-host.ts";
import { decode } from "../program/decode.ts";
import { compileInput, exec, hostFacts, programs, small, V1, V2 } from "../program/programs.ts";
import { createRandom } from "../seccomp/generate.ts";
import { makeText } from "./documents.ts";
import { type Node, schemaOf } from "./schema.ts";

export interface Target {
  /** The text of a case. */
  readonly make: (seed: number) => string;
  /** @throws whatever must not be: a TsruncError is caught. Gives the programs made. */
  readonly run: (text: string) => readonly Program[];
}

const ENVELOPE = { reporter: ["/x", "__report"], context: "{}", timings: false } as const;

function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** An error must be ours, one line, and about places that are there. */
function checkError(error: unknown, document: unknown): void {
  if (error instanceof UsageError) return;
  if (!(error instanceof TsruncError)) throw error;
  const line = formatError(error);
  require(!line.includes("\n") && line !== "", `an error of several lines: ${line}`);
  require(!/internal error|\[object |undefined|NaN\b/.test(error.message), `an error without sense: ${line}`);
  require(describeError(error) === line, "the command line says something else");
  for (const { at } of error.problems) requirePlace(document, at, line);
  if (error.at !== undefined) requirePlace(document, error.at, line);
}

/** What is missing has a parent that is there. */
function requirePlace(document: unknown, at: string, line: string): void {
  if (at === "" || document === undefined) return;
  const parent = at.slice(0, at.lastIndexOf("/"));
  const isThere =
    resolvePointer(document, at) !== undefined || parent === "" || resolvePointer(document, parent) !== undefined;
  // Fields that are filled in, and the parts of what is missing as a whole.
  const isImplied = ["/process/user", "/linux/namespaces"].some((place) => at.startsWith(place));
  require(isThere || isImplied || /is missing|is required|needs|must/.test(line), `no such place: ${at} (${line})`);
}

function documentOf(text: string): unknown {
  try {
    return parseJson(text, "x");
  } catch {
    return undefined;
  }
}

/** What is done twice must come to the same. */
function twice<T>(document: unknown, make: () => T): T | undefined {
  const once = (): { value?: T; error?: unknown } => {
    try {
      return { value: make() };
    } catch (error) {
      checkError(error, document);
      return { error };
    }
  };
  const [first, second] = [once(), once()];
  require((first.error === undefined) === (second.error === undefined), "the second try ends otherwise");
  if (first.error !== undefined) {
    require(formatError(first.error) === formatError(second.error), "the second try says something else");
  }
  return first.value;
}

/** A program can be written, read back as what it is, printed and told of. */
export function checkProgram(program: Program): Program {
  const bytes = encode(program, ENVELOPE);
  require(Buffer.compare(bytes, encode(program, ENVELOPE)) === 0, "encoded twice it is not the same");
  const { lists, size } = decode(bytes);
  require(size === bytes.length, "the size is another one");
  const names = lists.map((list) => list.map(({ op }) => op).join());
  const own = [program.launcher, program.init, program.cleanup].map((list) => list.map(({ op }) => op).join());
  require(names.join("|") === own.join("|"), "the ops are other ones");
  for (const [l, list] of [program.launcher, program.init, program.cleanup].entries()) {
    for (const [i, op] of list.entries()) checkOperands(op as never, lists[l]![i]!.operands, op.op);
  }
  require(!programText(program).includes("[object"), "printed without sense");
  JSON.stringify(programJson(program));
  programLines(program);
  return program;
}

function checkOperands(
  op: Readonly<Record<string, unknown>>,
  read: Readonly<Record<string, unknown>>,
  name: string,
): void {
  for (const [operand, value] of Object.entries(read)) {
    const given = op[operand];
    const same =
      typeof value === "bigint"
        ? given === undefined ||
          value === BigInt.asUintN(64, BigInt(given as number)) ||
          value === BigInt(given as number)
        : typeof value === "string" && typeof given === "string"
          ? value === given || value === Buffer.from(given).toString()
          : true;
    require(same, `${name}.${operand} is read back as ${String(value)}, not ${String(given)}`);
  }
}

const WITH_SYSTEMD = readCgroupFacts(v2Host("/", { "/run/systemd/system/x": "" }));

function compiled(spec: Spec): Program[] {
  return [V1, V2, WITH_SYSTEMD].flatMap((cgroups) => {
    const facts = hostFacts(cgroups, { lsm: ["apparmor", "selinux"] });
    const { cgroupsPath, resources, devices } = spec.linux ?? {};
    const cgroup = planCgroup(
      {
        id: "box",
        manager: cgroups === WITH_SYSTEMD ? "systemd" : "cgroupfs",
        rootless: false,
        annotations: spec.annotations,
        ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
        ...(resources === undefined ? {} : { resources }),
        ...(devices === undefined ? {} : { devices: devices as never }),
      } as never,
      cgroups,
    );
    const filter =
      spec.linux?.seccomp === undefined ? undefined : compileSeccomp(spec.linux.seccomp, { arch: "SCMP_ARCH_X86_64" });
    return (["create", "run"] as const).map((mode) =>
      compileCreate(compileInput(spec, { facts, cgroup, mode, seccomp: filter })),
    );
  });
}

const CONFIG = schemaOf("config.schema.json");
const PROCESS = schemaOf("process.schema.json");

const SPECS: readonly unknown[] = [
  defaultSpec(),
  { ...defaultSpec(), process: { ...(defaultSpec().process as Process), terminal: false } },
  small(["pid", "mount", "user"], {
    uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
    gidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
    sysctl: { "net.ipv4.ip_forward": "1" },
    devices: [{ path: "/dev/fuse", type: "c", major: 10, minor: 229 }],
    resources: {
      memory: { limit: 1 << 20 },
      cpu: { quota: 50_000, cpus: "0-1" },
      pids: { limit: 5 },
      devices: [{ allow: false, access: "rwm" }],
    },
    seccomp: {
      defaultAction: "SCMP_ACT_ERRNO",
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
      syscalls: [
        { names: ["read", "execve", "exit_group"], action: "SCMP_ACT_ALLOW" },
        { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] },
      ],
    },
  }),
];

/** Words that the command line knows, and others. */
const WORDS =
  "create run exec start state kill delete list ps events update spec plan features seccomp --root --log --bundle -b -dt --tty " +
  "--user 1:1 --cap -- id --format json --cpus 1.5 --memory 1G --interval 5s --env A=b --preserve-fds 3 -h --help --version x= --=";

function commandLine(seed: number): string {
  const random = createRandom(seed);
  const known = WORDS.split(" ");
  const words = Array.from({ length: random(7) }, () => {
    const word = known[random(known.length)]!;
    return random(4) > 0
      ? word
      : [`${word}${"9".repeat(random(30))}`, word.slice(1), `-${word}`, "\u0000", "ü", "", word.repeat(50)][random(7)]!;
  });
  return JSON.stringify(words);
}

function fromSchema(root: Node, seeds: readonly unknown[]): (seed: number) => string {
  return (seed) => makeText(seed, root, seeds);
}

const PROCESSES = SPECS.map((spec) => (spec as Spec).process);
const RESOURCES = SPECS.flatMap((spec) => (spec as Spec).linux?.resources ?? []);
const FILTERS = SPECS.flatMap((spec) => (spec as Spec).linux?.seccomp ?? []);
const RECORD = {
  pid: 7,
  startTime: 9,
  ociVersion: "1.0.2",
  id: "box",
  bundle: "/b",
  rootfs: "/b/r",
  created: "2026-01-01T00:00:00Z",
  owner: "root",
  annotations: { a: "b" },
  cgroup: { version: "v2", manager: "cgroupfs", paths: { "": "/sys/fs/cgroup/box" } },
  hostMounts: ["/proc"],
};

export const TARGETS: Readonly<Record<string, Target>> = {
  config: {
    make: fromSchema(CONFIG, SPECS),
    run: (text) => {
      const document = documentOf(text);
      const made = twice(document, () => compiled(parseSpec(text, "config.json").spec));
      return (made ?? []).map(checkProgram);
    },
  },
  process: {
    make: fromSchema(PROCESS, PROCESSES),
    run: (text) => {
      const made = twice(undefined, () => exec(loadProcess(text, "process.json").process, small(["pid", "mount"])));
      return made === undefined ? [] : [checkProgram(made)];
    },
  },
  resources: {
    make: fromSchema(schemaOf("resources.schema.json"), RESOURCES),
    run: (text) => {
      const made = twice(undefined, () => {
        const { resources } = loadResources(text, "resources.json");
        return [
          updatePlan(resources, { version: "v2", manager: "cgroupfs", paths: { "": "/sys/fs/cgroup/box" } }, V2),
          updatePlan(
            resources,
            { version: "v2", manager: "systemd", paths: { "": "/sys/fs/cgroup/a.slice/b.scope" } },
            V2,
          ),
          updatePlan(
            resources,
            { version: "v1", manager: "cgroupfs", paths: { memory: "/sys/fs/cgroup/memory/box" } },
            V1,
          ),
        ];
      });
      return (made ?? []).map(({ ops }) => {
        return checkProgram({ launcher: ops, init: [], cleanup: [], cleanupFrom: 0, keepFds: 0 });
      });
    },
  },
  state: {
    make: fromSchema(schemaOf("state.schema.json"), [RECORD]),
    run: (text) => {
      const value = documentOf(text);
      const problems = recordProblems(value, "box");
      for (const { message } of problems) require(!message.includes("\n"), `a problem of several lines: ${message}`);
      const kept = believable(value, "box");
      require(recordProblems(kept, "box").length <= problems.length, "what is believed is worse than what was read");
      return [];
    },
  },
  seccomp: {
    make: fromSchema(schemaOf("seccomp.schema.json"), FILTERS),
    run: (text) => {
      twice(undefined, () => {
        const profile = checkSeccomp(parseJson(text, "x"), text, "x");
        const { instructions } = compileSeccomp(profile, { arch: "SCMP_ARCH_X86_64" });
        for (const nr of [0, 1, 41, 59, 231, 400]) {
          for (const args of [[], [1n, 2n], [1n << 33n, 7n, 0xffffffffn]]) {
            const { ret } = emulate(instructions, { arch: archInfo("SCMP_ARCH_X86_64").audit, nr, args });
            require(ret ===
              explain(profile, nr, args, { arch: "SCMP_ARCH_X86_64" }).ret, `explain and the filter differ on ${nr}`);
          }
        }
      });
      return [];
    },
  },
  words: {
    make: commandLine,
    run: (text) => {
      twice(undefined, () => parseCommandLine(JSON.parse(text) as string[]));
      return [];
    },
  },
};

/** Right programs, to begin with. */
export const SAVED: readonly Program[] = [...programs().values()];
