/** What state.json holds, and the proof that it does. */
import type { CgroupRecord } from "../cgroups/types.ts";
import type { Label } from "../init/report.ts";
import type { ResctrlRecord } from "../resctrl/types.ts";
import { show } from "../spec/pointer.ts";
import type { ProcessRef } from "./proc.ts";

/** The content of state.json. `pid` and `startTime` stay first: `stateTemplate` depends on it. */
export interface StateRecord extends ProcessRef {
  /** The `ociVersion` of config.json. */
  readonly ociVersion: string;
  readonly id: string;
  /** Absolute path. */
  readonly bundle: string;
  /** Absolute path. */
  readonly rootfs: string;
  /** RFC 3339 with fractions of a second. */
  readonly created: string;
  /** Name of the user who created it. */
  readonly owner: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Present while the container is being created: who does it. Dead with this still present: the create died. */
  readonly creator?: CreatorRef;
  readonly cgroup?: CgroupRecord;
  readonly resctrl?: ResctrlRecord;
  /** What init does after start let it through, from op `first` on: for the message of a start that fails. */
  readonly tail?: {
    readonly first: number;
    readonly labels: readonly Label[];
    /** Its seccomp profile lets no program be executed. */
    readonly forbidden?: boolean;
  };
  /** The config has none: it cannot be started. */
  readonly noProcess?: boolean;
  /** `--no-new-keyring` holds for exec too. */
  readonly noNewKeyring?: boolean;
  /** Destinations of mounts below `rootfs` that were made in the host's mount namespace. */
  readonly hostMounts?: readonly string[];
}

export interface CreatorRef extends ProcessRef {
  /** A program with the library in it, which lives on and is nobody's to kill. */
  readonly resident?: boolean;
}

/** One thing that is wrong: where, what was expected, and what is there. */
export interface RecordProblem {
  readonly field: string;
  readonly message: string;
}

/** What was expected, for a value that is not that; undefined for one that is. */
type Check = (value: unknown) => string | undefined;

type Fields = Readonly<Record<string, unknown>>;

const LARGEST_PID = 1 << 22;

function expect(what: string, test: (value: unknown) => boolean): Check {
  return (value) => (test(value) ? undefined : what);
}

const isText = (value: unknown): value is string => typeof value === "string" && !value.includes("\0");
const isPath = (value: unknown): boolean => isText(value) && value.startsWith("/");
/** Nothing that leads elsewhere than it seems to. */
const isPlainPath = (value: unknown): boolean =>
  isText(value) && /^\/[^/]/.test(value) && !/\/\.{0,2}(\/|$)/.test(value);
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isPid = (value: unknown): boolean => isWhole(value) && value <= LARGEST_PID;
const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: unknown, test: (item: unknown) => boolean): boolean => Array.isArray(value) && value.every(test);
const isMap = (value: unknown, test: (item: unknown) => boolean): boolean =>
  isObject(value) && Object.values(value).every(test);

const text = expect("text", isText);
const flag = expect("true or false", (value) => typeof value === "boolean");
const process = expect(
  "a process",
  (value) =>
    isObject(value) &&
    isPid(value.pid) &&
    value.pid !== 0 &&
    isWhole(value.startTime) &&
    ["undefined", "boolean"].includes(typeof value.resident),
);

const VERSIONS: readonly unknown[] = ["v1", "v2", "hybrid", "none"];
const MANAGERS: readonly unknown[] = ["cgroupfs", "systemd", "disabled"];

function isUnit(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { unit, addresses, file } = value;
  // It becomes a part of paths of systemd's and of a request to it.
  return isText(unit) && unit !== "" && !unit.includes("/") && isPlainPath(file) && isList(addresses, isAddress);
}

function isAddress(value: unknown): boolean {
  return isObject(value) && isText(value.address) && typeof value.peer === "boolean";
}

function isCgroup(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { version, manager, paths, systemd } = value;
  return (
    VERSIONS.includes(version) &&
    MANAGERS.includes(manager) &&
    isMap(paths, isPlainPath) &&
    (systemd === undefined || isUnit(systemd))
  );
}

function isMadeGroup(value: unknown): boolean {
  return isObject(value) && isPlainPath(value.path) && ["undefined", "boolean"].includes(typeof value.shared);
}

function isResctrl(value: unknown): boolean {
  return isObject(value) && isList(value.groups, isPlainPath) && isList(value.made, isMadeGroup);
}

/** Also of an op that only another version has: it is for messages alone. */
function isLabel(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [op, what, at, origins] = value;
  return (
    isText(op) &&
    [what, at].every((word) => word === null || isText(word)) &&
    (origins === undefined || isMap(origins, isText))
  );
}

function isTail(value: unknown): boolean {
  if (!isObject(value) || (value.forbidden !== undefined && typeof value.forbidden !== "boolean")) return false;
  return isWhole(value.first) && isList(value.labels, isLabel);
}

/** In the order in which problems are told. */
const REQUIRED: Readonly<Record<string, Check>> = {
  pid: expect("a pid", isPid),
  startTime: expect("a time in clock ticks", isWhole),
  bundle: expect("an absolute path", isPath),
  rootfs: expect("an absolute path", isPath),
  ociVersion: text,
  created: text,
  owner: text,
};

const OPTIONAL: Readonly<Record<string, Check>> = {
  annotations: expect("an object of texts", (value) => isMap(value, (item) => typeof item === "string")),
  creator: process,
  cgroup: expect("the container's cgroups", isCgroup),
  resctrl: expect("groups of resctrl", isResctrl),
  tail: expect("labels of ops", isTail),
  noProcess: flag,
  noNewKeyring: flag,
  hostMounts: expect("a list of paths", (value) => isList(value, isText)),
};

/** All that is wrong with a value read from the state.json of that container. */
export function recordProblems(value: unknown, id: string): RecordProblem[] {
  if (!isObject(value)) return [{ field: "", message: `expected an object, found ${show(value)}` }];
  const problems: RecordProblem[] = [];
  const look = (field: string, check: Check, optional: boolean): void => {
    const found = value[field];
    if (optional && found === undefined) return;
    const wanted = check(found);
    if (wanted !== undefined) problems.push({ field, message: `expected ${wanted}, found ${show(found)}` });
  };
  look(
    "id",
    expect(`\`${id}\``, (found) => found === id),
    false,
  );
  for (const [field, check] of Object.entries(REQUIRED)) look(field, check, false);
  for (const [field, check] of Object.entries(OPTIONAL)) look(field, check, true);
  return problems;
}

/**
 * What can be believed of a damaged record, for the removal of what it tells of: fields that are as they must be. The
 * others are as for a container that has none of it.
 */
export function believable(value: unknown, id: string): StateRecord {
  // Nothing, where it is the state of another container, which is to live on.
  const found = isObject(value) && !(typeof value.id === "string" && value.id !== id) ? value : {};
  const wrong = new Set(recordProblems(found, id).map(({ field }) => field));
  const whole = Object.fromEntries(Object.entries(found).filter(([field]) => !wrong.has(field)));
  const nobody = wrong.has("pid") || wrong.has("startTime") ? { pid: 0, startTime: 0 } : {};
  return { ...UNKNOWN, ...whole, ...nobody, id };
}

const UNKNOWN = { pid: 0, startTime: 0, bundle: "/", rootfs: "/", ociVersion: "1.0.0", created: "", owner: "" };
