import { TsruncError } from "../errors.ts";
import type { Op } from "../program/ops.ts";
import { HOST, type HostFiles } from "./host.ts";
import { writeOp } from "./limits.ts";
import type { CgroupRecord } from "./types.ts";

/** How long a cgroup may take to freeze, as in runc. */
const FREEZE_MS = 10_000;

/**
 * Freezes or thaws a container. A freeze that fails must be followed by a thaw: half frozen, a container can
 * be neither used nor killed on v1.
 *
 * @param ignore errors of a thaw that do not matter
 */
export function freezePlan(
  record: CgroupRecord,
  state: "frozen" | "thawed",
  ignore: readonly string[] = [],
): readonly Op[] {
  const directory = freezer(record);
  if (directory === undefined) throw noFreezer(record);
  const v2 = record.version === "v2";
  if (state === "thawed") {
    const [file, text] = v2 ? ["cgroup.freeze", "0"] : ["freezer.state", "THAWED"];
    return [writeOp(`${directory}/${file}`, text, undefined, ignore)];
  }
  const file = `${directory}/${v2 ? "cgroup.freeze" : "freezer.state"}`;
  return [
    {
      op: "writeUntil",
      path: file,
      text: v2 ? "1" : "FROZEN",
      // v1 may stay at FREEZING while processes keep being made, until it is told again.
      poll: v2 ? `${directory}/cgroup.events` : file,
      expect: v2 ? "frozen 1" : "FROZEN",
      timeoutMs: FREEZE_MS,
      what: "freezer",
    },
  ];
}

/** Whether there is one that a plan can name. */
export function hasFreezer(record: CgroupRecord): boolean {
  return freezer(record) !== undefined;
}

function noFreezer({ paths }: CgroupRecord): TsruncError {
  const [why, hint] =
    Object.keys(paths).length === 0
      ? ["cgroups not configured for container", undefined]
      : [
          "the container has no cgroup of the controller `freezer`",
          "it was not mounted when the container was created",
        ];
  return new TsruncError("unsupported", `cannot toggle freezer: ${why}`, { hint });
}

/** Whether the container itself was frozen, and not only a cgroup above it. */
export function isFrozen(record: CgroupRecord, host: HostFiles = HOST): boolean {
  const directory = freezer(record);
  if (directory === undefined) return false;
  if (record.version === "v2") return host.read(`${directory}/cgroup.freeze`)?.trim() === "1";
  const state = host.read(`${directory}/freezer.state`)?.trim();
  if (state !== "FROZEN" && state !== "FREEZING") return false;
  return host.read(`${directory}/freezer.self_freezing`)?.trim() !== "0";
}

function freezer({ version, paths }: CgroupRecord): string | undefined {
  return version === "v2" ? paths[""] : paths.freezer;
}
