/** `linux.netDevices`: devices of the host that move into the container (config-linux.md, "Network Devices"). */
import { TsruncError } from "../errors.ts";
import { pointer } from "../spec/pointer.ts";
import { CLONE_FLAGS } from "./compile-namespaces.ts";
import type { CompileInput } from "./input.ts";
import { LAUNCHER_SLOT, type Op, PID } from "./ops.ts";

/** After those of compile.ts. */
const SLOT_HOST = LAUNCHER_SLOT + 3;
const SLOT_THERE = LAUNCHER_SLOT + 4;
const SLOT_NAMESPACE = LAUNCHER_SLOT + 5;

/** include/uapi/linux/if_addr.h, rtnetlink.h: what the specification wants kept is permanent and of global scope. */
const IFA_F_PERMANENT = 0x80;
const RT_SCOPE_UNIVERSE = 0;

export interface NetDeviceOps {
  /** Launcher, once the container's network namespace is there. */
  readonly move: readonly Op[];
  /** Launcher that stays with the container, once that runs: from here on the devices are the namespace's. */
  readonly keep: readonly Op[];
  /** Launcher, where it has not. */
  readonly giveBack: readonly Op[];
}

const NONE: NetDeviceOps = { move: [], keep: [], giveBack: [] };

/** @param joined slot of the network namespace that is joined; absent: init is born in a new one */
export function compileNetDevices({ spec, facts }: CompileInput, joined: number | undefined): NetDeviceOps {
  const devices = Object.entries(spec.linux?.netDevices ?? {});
  if (devices.length === 0) return NONE;
  const at = "/linux/netDevices";
  if (facts.euid !== 0 || facts.inUserNamespace) {
    throw new TsruncError("unsupported", "network devices are not supported for rootless containers", { at });
  }
  if (facts.ownNetwork) {
    throw new TsruncError("config", "network devices need a `network` namespace other than the host's", { at });
  }
  const ns = joined ?? SLOT_NAMESPACE;
  const what = "network devices";
  const open: Op[] = [];
  if (joined === undefined)
    open.push({ op: "openNs", slot: ns, path: `/proc/${PID}/ns/net`, type: CLONE_FLAGS.network, at, what });
  open.push({ op: "netlink", slot: SLOT_HOST, ns: -1, at, what }, { op: "netlink", slot: SLOT_THERE, ns, at, what });
  // Names that the kernel makes up come last: they must not be those that others are to have.
  devices.sort(([, a], [, b]) => Number(isTemplate(a.name)) - Number(isTemplate(b.name)));
  const sockets = { from: SLOT_HOST, to: SLOT_THERE } as const;
  const find = devices.map(([name, device]): Op => {
    const free = isTemplate(device.name) ? undefined : (device.name ?? name);
    return { op: "netFind", ...sockets, name, free, ...placeOf(name) };
  });
  const move = devices.map(
    ([name, device]): Op => ({
      op: "netMove",
      ...{ ...sockets, ns, name, rename: device.name },
      ...{ addressFlags: IFA_F_PERMANENT, addressScope: RT_SCOPE_UNIVERSE },
      ...placeOf(name),
    }),
  );
  const slots = joined === undefined ? [SLOT_HOST, SLOT_THERE, SLOT_NAMESPACE] : [SLOT_HOST, SLOT_THERE];
  return {
    // All are looked for before the first one is moved, which takes it down.
    move: [...open, ...find, ...move],
    keep: slots.map((slot): Op => ({ op: "closeSlot", slot })),
    giveBack: [{ op: "netReturn", host: SLOT_HOST, there: SLOT_THERE, at, what }],
  };
}

function isTemplate(name: string | undefined): boolean {
  return name?.includes("%d") ?? false;
}

function placeOf(name: string): { readonly at: string; readonly what: string } {
  return { at: pointer("linux", "netDevices", name), what: `network device \`${name}\`` };
}
