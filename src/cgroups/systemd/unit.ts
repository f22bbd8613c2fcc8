/** Starting, changing and stopping a container's unit (org.freedesktop.systemd1(5)). */
import * as fs from "node:fs";
import { TsruncError } from "../../errors.ts";
import { sleep } from "../host-write.ts";
import { awaitSignal, type Bus, BusError, callMethod, connect, openSdBus, stringProperty, type Target } from "./bus.ts";
import type { Property } from "./properties.ts";
import type { Action, Request, UnitRecord } from "./request.ts";

const DESTINATION = "org.freedesktop.systemd1";
const MANAGER: Target = {
  destination: DESTINATION,
  path: "/org/freedesktop/systemd1",
  interface: "org.freedesktop.systemd1.Manager",
};
const MESSAGE_BUS: Target = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
};

const JOB_MS = 30_000;
/** How long a unit of the same name may take to go away. */
const LEAVE_MS = 5_000;
const CONNECT_MS = 5_000;

/** Does what the launcher asked for. @throws TsruncError */
export function perform(action: Action, request: Request, pid: number): void {
  // systemd deletes the file of a transient unit with the unit: the usual case costs no call.
  if (action === "stop" && !fs.existsSync(request.file)) return;
  const bus = open(request);
  try {
    if (action === "start") start(bus, request, pid);
    else if (action === "set") retrying(request.properties ?? [], (properties) => set(bus, request, properties));
    else stop(bus, request);
  } catch (error) {
    throw error instanceof BusError ? failure(action, request, error) : error;
  }
}

function failure(action: Action, { unit }: UnitRecord, error: BusError): TsruncError {
  const verb = { start: "start", set: "change", stop: "stop" }[action];
  return new TsruncError("io", `${verb} unit \`${unit}\`: ${error.message || error.code} (${error.errno})`, {
    errno: error.errno,
  });
}

/** EAGAIN is a queue of connections that is full: on a host that starts a hundred containers at once. */
function open({ addresses }: UnitRecord): Bus {
  const library = openSdBus();
  const until = performance.now() + CONNECT_MS;
  for (let pause = 5; ; pause = Math.min(2 * pause, 200)) {
    const failures: BusError[] = [];
    for (const address of addresses) {
      try {
        return connect(library, address);
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        failures.push(error);
      }
    }
    if (performance.now() > until || !failures.some(({ errno }) => errno === "EAGAIN")) {
      const reasons = failures.map(({ message, errno }) => `${message}: ${errno}`).join(", ");
      throw new TsruncError("io", `systemd cannot be reached: ${reasons}`, { errno: failures[0]?.errno });
    }
    sleep(pause);
  }
}

function start(bus: Bus, request: Request, pid: number): void {
  const { unit, start: place, properties = [] } = request;
  if (place === undefined || !(pid > 0)) throw new TsruncError("usage", "no process for the unit");
  subscribe(bus);
  const all: Property[] = [...properties, { name: "PIDs", type: "au", value: [pid] }];
  const until = performance.now() + LEAVE_MS;
  for (let pause = 5; ; pause = Math.min(2 * pause, 100)) {
    try {
      runJob(bus, request, () => retrying(all, (list) => startTransient(bus, unit, list)));
      break;
    } catch (error) {
      if (!(error instanceof BusError) || !mayPass(error)) throw error;
      if (error.code === UNIT_EXISTS) makeRoom(bus, request, place.directory);
      if (performance.now() > until) throw error;
      sleep(pause);
    }
  }
  checkPlace(pid, place.cgroup, unit);
  if (place.owner !== undefined) own(place.directory, place.owner);
}

const UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";

function mayPass({ code, errno }: BusError): boolean {
  return code === UNIT_EXISTS || code === "org.freedesktop.DBus.Error.LimitsExceeded" || errno === "EAGAIN";
}

/** What a former container of the name left: a failed unit is reset, one that is about to go is waited for. */
function makeRoom(bus: Bus, { unit }: UnitRecord, directory: string): void {
  const state = activeState(bus, unit);
  if (state === "failed") ignoring(NO_SUCH_UNIT, () => named(bus, "ResetFailedUnit", unit));
  if (state !== "active" || !populated(directory)) return;
  throw new TsruncError("exists", `unit \`${unit}\` exists and has processes`, {
    hint: "name another in cgroupsPath, or stop it with systemctl",
  });
}

function populated(directory: string): boolean {
  try {
    return fs.readFileSync(`${directory}/cgroup.events`, "latin1").includes("populated 1");
  } catch {
    return false;
  }
}

function activeState(bus: Bus, unit: string): string | undefined {
  return ignoring(NO_SUCH_UNIT, () => {
    const path = callMethod(bus, MANAGER, "GetUnit", (w) => w.string(unit), "o");
    return stringProperty(
      bus,
      { destination: DESTINATION, path, interface: "org.freedesktop.systemd1.Unit" },
      "ActiveState",
    );
  });
}

function startTransient(bus: Bus, unit: string, properties: readonly Property[]): string {
  return callMethod(
    bus,
    MANAGER,
    "StartTransientUnit",
    (w) => {
      w.string(unit);
      w.string("fail");
      w.properties(properties);
      w.empty("(sa(sv))");
    },
    "o",
  );
}

function set(bus: Bus, { unit }: UnitRecord, properties: readonly Property[]): string {
  return callMethod(bus, MANAGER, "SetUnitProperties", (w) => {
    w.string(unit);
    w.bool(true); // until it is stopped, as the unit itself
    w.properties(properties);
  });
}

function stop(bus: Bus, request: Request): void {
  const { unit } = request;
  subscribe(bus);
  ignoring(NO_SUCH_UNIT, () =>
    runJob(bus, request, () =>
      callMethod(
        bus,
        MANAGER,
        "StopUnit",
        (w) => {
          w.string(unit);
          w.string("replace");
        },
        "o",
      ),
    ),
  );
  ignoring(NO_SUCH_UNIT, () => named(bus, "ResetFailedUnit", unit));
}

/** Leaves away what this version of systemd does not know, where it can be left away. */
function retrying(properties: readonly Property[], call: (properties: readonly Property[]) => string): string {
  let left = properties;
  for (;;) {
    try {
      return call(left);
    } catch (error) {
      const name = error instanceof BusError ? /\b(?:property|set) (\w+)/.exec(error.message)?.[1] : undefined;
      const fewer = left.filter((property) => property.name !== name || property.optional !== true);
      if (fewer.length === left.length) throw error;
      left = fewer;
    }
  }
}

/** Signals are only sent to those who asked; the job may be over before its name is told, so this goes first. */
function subscribe(bus: Bus): void {
  if (bus.peer) return;
  const rule = `type='signal',sender='${DESTINATION}',path='${MANAGER.path}',interface='${MANAGER.interface}',member='JobRemoved'`;
  callMethod(bus, MESSAGE_BUS, "AddMatch", (w) => w.string(rule));
  ignoring("org.freedesktop.systemd1.AlreadySubscribed", () => callMethod(bus, MANAGER, "Subscribe", () => {}));
}

/** Has a job made, and waits for its end. @throws TsruncError if it ends otherwise than well */
function runJob(bus: Bus, { unit }: UnitRecord, begin: () => string): void {
  const job = begin();
  const result = awaitSignal(bus, MANAGER, "JobRemoved", JOB_MS, (next) => {
    next("u");
    const [path, , outcome] = [next("o"), next("s"), next("s")];
    return path === job ? outcome : undefined;
  });
  if (result === "done") return;
  const message = result === undefined ? `no result within ${JOB_MS / 1000} s` : `the job's result is \`${result}\``;
  const hint = `see systemctl status ${unit} and the journal`;
  throw new TsruncError("io", `unit \`${unit}\`: ${message}`, { hint });
}

function named(bus: Bus, method: string, unit: string): string {
  return callMethod(bus, MANAGER, method, (w) => w.string(unit));
}

function ignoring<T>(code: string, call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof BusError && error.code === code) return undefined;
    throw error;
  }
}

/** Later verbs rely on the path: better no container than one whose cgroup is not where we look. */
function checkPlace(pid: number, expected: string, unit: string): void {
  const text = fs.readFileSync(`/proc/${pid}/cgroup`, "latin1");
  const found = text
    .split("\n")
    .find((line) => line.startsWith("0::"))
    ?.slice(3);
  if (found === expected) return;
  throw new TsruncError("io", `unit \`${unit}\`: the process is in cgroup \`${found}\`, not in \`${expected}\``);
}

function own(directory: string, { uid, paths }: { readonly uid: number; readonly paths: readonly string[] }): void {
  for (const path of [directory, ...paths]) {
    if (fs.existsSync(path)) fs.chownSync(path, uid, -1);
  }
}
