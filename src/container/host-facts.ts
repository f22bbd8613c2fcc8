/** Reads what the compiler has to know of the host; only what the config makes it need. */
import * as fs from "node:fs";
import process from "node:process";
import { readCgroupFacts } from "../cgroups/facts.ts";
import type { HostFacts } from "../program/input.ts";
import { resctrlMount } from "../resctrl/mount.ts";
import { findNamespace } from "../spec/check-namespaces.ts";
import { hostPath } from "../spec/paths.ts";
import type { Spec } from "../spec/types.ts";
import type { Context } from "./context.ts";
import { isInUserNamespace } from "./context.ts";
import { once } from "./remember.ts";

function read(path: string): string {
  try {
    return fs.readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

interface FixedFacts {
  readonly lastCap: number;
  readonly boundingSet: bigint;
  readonly kcore: boolean;
}

/** What does not change while the kernel and this process run: one of many threads does not drop its bounding set. */
function fixedFacts(): FixedFacts {
  return {
    lastCap: Number(read("/proc/sys/kernel/cap_last_cap")) || 40,
    boundingSet: BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status"))?.[1] ?? "0"}`),
    kcore: fs.existsSync("/proc/kcore"),
  };
}

export function readHostFacts(context: Context, spec: Spec): HostFacts {
  const euid = process.geteuid?.() ?? 0;
  const makesUserNamespace = spec.linux?.namespaces?.some((ns) => ns.type === "user") ?? false;
  const labelled =
    (spec.process?.apparmorProfile ?? "") !== "" ||
    (spec.process?.selinuxLabel ?? "") !== "" ||
    (spec.linux?.mountLabel ?? "") !== "";
  const cgroup = readCgroupFacts();
  const helpers = makesUserNamespace && euid !== 0;
  return {
    euid,
    egid: process.getegid?.() ?? 0,
    ...once(context, "host facts", fixedFacts),
    cgroup,
    lsm: labelled ? read("/sys/kernel/security/lsm").trim().split(",") : [],
    newuidmap: helpers ? findHelper("newuidmap") : undefined,
    newgidmap: helpers ? findHelper("newgidmap") : undefined,
    nofile: context.nofile,
    inUserNamespace: isInUserNamespace(context),
    ownNetwork: spec.linux?.netDevices !== undefined && joinsOwnNetwork(spec),
    resctrl: spec.linux?.intelRdt === undefined ? undefined : resctrlMount(cgroup.host),
  };
}

/** Namespaces are the same where their files are (namespaces(7)). One that is not there is told of when it is opened. */
function joinsOwnNetwork(spec: Spec): boolean {
  const path = hostPath(findNamespace(spec, "network")?.path ?? "");
  if (path === "") return false;
  try {
    const [own, joined] = [fs.statSync("/proc/self/ns/net"), fs.statSync(path)];
    return own.ino === joined.ino && own.dev === joined.dev;
  } catch {
    return false;
  }
}

/** Set-uid helpers are taken from the system's directories only, never from the caller's PATH. */
function findHelper(name: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/local/bin"].map((dir) => `${dir}/${name}`).find((path) => fs.existsSync(path));
}
