/**
 * What a program decides, in few lines for `--debug`: what print.ts has in full. Values of environment variables and
 * texts of the user's are in none of them. Pure.
 */
import type { Op, OpName, OpOf } from "./ops.ts";
import { PID } from "./ops.ts";
import type { ListName, Program } from "./program.ts";
import { symbolic } from "./symbols.ts";

/** What is said of an op that has succeeded, by its list and index; PID stands for the container's process. */
export type Notes = Readonly<Partial<Record<ListName, Readonly<Record<number, string>>>>>;

const MAX_LENGTH = 1000;

/** Lines to be said before the program is executed. */
export function programLines(program: Program): string[] {
  const ops = [...program.launcher, ...program.init];
  return [
    namespaces(ops),
    userNamespace(program.launcher),
    limits(program.launcher),
    mounts(program.init),
    hooks(ops),
    ...all(ops, "credentials").map(({ uid, gid }) => `user: ${uid}, group: ${gid}`),
    ...all(ops, "prepareExec").map(({ argv }) => `program: ${JSON.stringify(argv)}`),
    `executing tsrunc-init with ${program.launcher.length} ops for the host's side, ${program.init.length} for the container's`,
  ].flatMap((line) => (line === undefined ? [] : [short(line)]));
}

function short(line: string): string {
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH)}…` : line;
}

function all<N extends OpName>(ops: readonly Op[], name: N): OpOf<N>[] {
  return ops.filter((op) => op.op === name) as unknown as OpOf<N>[];
}

/** `CLONE_NEWNS|CLONE_NEWPID` as `mnt, pid`, the names of /proc/PID/ns. */
function kinds(flags: number | bigint): string {
  const names = symbolic("clone", "flags", BigInt(flags)).split("|");
  const kind = (name: string) => name.replace("CLONE_NEW", "").toLowerCase().replace(/^ns$/, "mnt");
  return names
    .filter((name) => name.startsWith("CLONE_NEW"))
    .map(kind)
    .join(", ");
}

function namespaces(ops: readonly Op[]): string | undefined {
  const [clone] = all(ops, "clone");
  if (clone === undefined) return undefined;
  const flags = [clone, ...all(ops, "unshare")].reduce((sum, op) => sum | BigInt(op.flags), 0n);
  const joined = all(ops, "openNs").map((op) => `${kinds(op.type)} of \`${op.path}\``);
  const entered = all(ops, "setns").filter(({ what }) => what === "namespaces");
  joined.push(...entered.map((op) => `${kinds(op.flags)} of the container`));
  const parts = [flags === 0n ? "" : `new ${kinds(flags)}`, joined.length === 0 ? "" : `joined ${joined.join(", ")}`];
  const place = clone.cgroup === undefined ? "" : `; born in cgroup \`${clone.cgroup}\``;
  return `namespaces: ${parts.filter((part) => part !== "").join("; ") || "none of its own"}${place}`;
}

function userNamespace(launcher: readonly Op[]): string | undefined {
  const parts: string[] = [];
  for (const op of launcher) {
    if (op.op === "childWrite" && /^([ug]id_map|setgroups)$/.test(op.file))
      parts.push(`\`${op.text.trim().replaceAll("\n", ", ")}\` written to ${op.file}`);
    if (op.op === "spawn" && /\/new[ug]idmap$/.test(op.path))
      parts.push(`\`${op.argv.slice(2).join(" ")}\` given to ${op.path}`);
  }
  return parts.length === 0 ? undefined : `user namespace: ${parts.join("; ")}`;
}

/** Rules for devices are many and nearly always the same: their number says enough. */
function limits(launcher: readonly Op[]): string | undefined {
  const written = all(launcher, "write").filter(({ path }) => path.startsWith("/sys/fs/cgroup/"));
  const others = written.filter(({ path }) => !/\/devices\.(allow|deny)$/.test(path));
  const set = others.map(({ path, text }) => `${path.slice(path.lastIndexOf("/") + 1)}=${text.trim()}`);
  if (others.length < written.length) set.push(`and ${written.length - others.length} device rules`);
  set.push(...all(launcher, "deviceProgram").map(({ program }) => `and a device program of ${program.length / 8}`));
  return set.length === 0 ? undefined : `cgroup files: ${set.join(" ")}`;
}

function mounts(init: readonly Op[]): string | undefined {
  const made = init.flatMap((op) => {
    if (op.op === "mount") return [`${op.type} on ${op.dest}`];
    return op.op === "bind" ? [`\`${op.source}\` on ${op.dest}`] : [];
  });
  return made.length === 0 ? undefined : `mounts: ${made.join(", ")}`;
}

function hooks(ops: readonly Op[]): string | undefined {
  const names = all(ops, "spawn").flatMap(({ what }) => (what?.includes(" hook #") ? [what] : []));
  return names.length === 0 ? undefined : `hooks: ${names.join(", ")}`;
}

/** What the ops of a program come to, for those who read that they have been done. */
export function programNotes(program: Program): Notes {
  const notes = (list: ListName) =>
    Object.fromEntries(
      program[list].flatMap((op, index, ops) => {
        // v1 has a dozen hierarchies.
        if (op.op === "cgroupRemove" && ops[index + 1]?.op === "cgroupRemove") return [];
        const note = noteOf(op, index, program);
        return note === undefined ? [] : [[index, note]];
      }),
    );
  return { launcher: notes("launcher"), init: notes("init"), cleanup: notes("cleanup") };
}

function noteOf(op: Op, index: number, program: Program): string | undefined {
  switch (op.op) {
    case "clone":
      return isExec(program) ? undefined : `first process: pid ${PID}`;
    case "busCall":
      return `${op.what ?? "systemd"}: done`;
    case "spawn":
      return `${op.what ?? op.path}: exit status 0`;
    case "putFile":
      return isCreated(op, index, program) ? "state: created" : undefined;
    case "awaitExec":
      return isExec(program) ? `the program was executed: pid ${PID}` : "state: running; the program was executed";
    case "release":
      return "state: running; the program was executed";
    case "supervise":
      return "the process has ended";
    case "signal":
      return `signal ${symbolic("signal", "signal", BigInt(op.signal))} sent to pid ${op.pid}`;
    case "writeUntil":
      return `\`${op.poll}\` says \`${op.expect}\``;
    case "cgroupRemove":
      return `cgroups up to \`${op.path}\` are removed`;
    case "removeDir":
      return `\`${op.path}\` is removed`;
    default:
      return undefined;
  }
}

function isExec({ launcher }: Program): boolean {
  return launcher.some(({ op }) => op === "openPidfd");
}

/** The last writing of the state, where somebody else is to start it. */
function isCreated({ path }: OpOf<"putFile">, index: number, { launcher, init }: Program): boolean {
  if (!path.endsWith("/state.json") || !init.some(({ op }) => op === "awaitStart")) return false;
  return !launcher.slice(index + 1).some((op) => op.op === "putFile" && op.path === path);
}
