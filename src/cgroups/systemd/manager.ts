/** Which systemd is to manage a container's cgroup, and how it is reached. */
import process from "node:process";
import { TsruncError } from "../../errors.ts";
import { type CgroupFacts, parseOwnCgroups, words } from "../facts.ts";
import { type BusAddress, pathAddress } from "./addresses.ts";

export interface Manager {
  readonly kind: "system" | "user";
  /** To be tried in this order. */
  readonly addresses: readonly BusAddress[];
  /** The cgroup that its slices are in, below the mount point; "" for the root. */
  readonly cgroup: string;
  /** Where it keeps the files of transient units, as long as the unit is loaded; "" where that is not known. */
  readonly transient: string;
  readonly defaultSlice: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The system's manager for root, the user's for everybody else, and for root of a user namespace unless systemd
 * runs in that namespace too. @throws TsruncError `unsupported` where there is none
 */
export function findManager(
  rootless: boolean,
  facts: CgroupFacts,
  env: Environment = process.env,
  euid: number = process.geteuid?.() ?? 0,
): Manager {
  const user = rootless ? userManager(facts, env, euid) : undefined;
  if (user !== undefined) return user;
  if ((rootless && euid !== 0) || !facts.host.exists("/run/systemd/system")) throw noManager(rootless);
  return {
    kind: "system",
    addresses: systemAddresses(env.DBUS_SYSTEM_BUS_ADDRESS || undefined),
    cgroup: systemCgroup(facts),
    transient: "/run/systemd/transient",
    defaultSlice: "system.slice",
  };
}

/**
 * As systemctl does for root: one hop less, and it works while the message bus is overloaded or not there. A bus that
 * the environment names is meant, for nobody has that variable by default.
 */
function systemAddresses(named: string | undefined): readonly BusAddress[] {
  if (named !== undefined) return [{ address: named, peer: false }];
  return [
    { address: "unix:path=/run/systemd/private", peer: true },
    { address: "unix:path=/run/dbus/system_bus_socket", peer: false },
  ];
}

/** systemd in a container sees its own cgroups below those of the host: they start where init is. */
function systemCgroup({ host }: CgroupFacts): string {
  const own = parseOwnCgroups(host.read("/proc/1/cgroup") ?? "");
  const path = own.get("name=systemd") ?? own.get("") ?? "";
  return path.endsWith("/init.scope") ? path.slice(0, -"/init.scope".length) : "";
}

function userManager(facts: CgroupFacts, env: Environment, euid: number): Manager | undefined {
  const { host } = facts;
  const uid = outerUid(euid, host.read("/proc/self/uid_map"));
  const directory = env.XDG_RUNTIME_DIR || `/run/user/${uid}`;
  const addresses: BusAddress[] = [];
  if (host.exists(`${directory}/systemd/private`)) {
    addresses.push({ address: pathAddress(`${directory}/systemd/private`), peer: true });
  }
  const bus = env.DBUS_SESSION_BUS_ADDRESS;
  if (bus) addresses.push({ address: bus, peer: false });
  else if (host.exists(`${directory}/bus`)) {
    addresses.push({ address: pathAddress(`${directory}/bus`), peer: false });
  }
  if (addresses.length === 0) return undefined;
  const cgroup = userCgroup(facts, uid);
  if (cgroup === undefined) throw noManager(true);
  // The bus may have been named without the directory.
  const transient = host.exists(`${directory}/systemd`) ? `${directory}/systemd/transient` : "";
  return { kind: "user", addresses, cgroup, transient, defaultSlice: "user.slice" };
}

/** Ours, if we run below the user's manager, else where systemd-logind starts it (user@.service(5)). */
function userCgroup({ v2, host }: CgroupFacts, uid: number): string | undefined {
  const service = `/user@${uid}.service`;
  const own = v2?.own ?? "/";
  const at = `${own}/`.indexOf(`${service}/`);
  if (at >= 0) return own.slice(0, at + service.length);
  const usual = `/user.slice/user-${uid}.slice${service}`;
  return host.exists(`${v2?.mount}${usual}`) ? usual : undefined;
}

/** The uid as the host knows it, from /proc/self/uid_map: `inside outside count` (user_namespaces(7)). */
export function outerUid(euid: number, map: string | undefined): number {
  for (const line of (map ?? "").split("\n")) {
    const [inside = 0, outside = 0, count = 0] = words(line.trim().replaceAll(/\s+/g, " ")).map(Number);
    if (euid >= inside && euid < inside + count) return outside + euid - inside;
  }
  return euid;
}

function noManager(rootless: boolean): TsruncError {
  const message = "systemd cgroup flag passed, but systemd support for managing cgroups is not available";
  return new TsruncError("unsupported", rootless ? `${message}: no user manager found` : message, {
    hint: rootless
      ? "log in through systemd (loginctl enable-linger), set XDG_RUNTIME_DIR, or run without --systemd-cgroup"
      : "run without --systemd-cgroup",
  });
}
