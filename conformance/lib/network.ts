/** Network namespaces of a test's own, and the devices in them: the machine's are never touched. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Scope } from "./harness.ts";
import { startCommand, until } from "./runtime.ts";

export interface Address {
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
  readonly label?: string;
}

/** What `ip -j address` tells of a device. */
export interface Device {
  readonly ifname: string;
  readonly ifindex: number;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly address: string;
  readonly addr_info: readonly Address[];
}

export class Network {
  /** To be put before a command that is to run in it. */
  readonly enter: readonly string[];
  readonly path: string;

  /** @param pid a process in that namespace */
  constructor(pid: number) {
    this.path = `/proc/${pid}/ns/net`;
    this.enter = ["nsenter", `--net=${this.path}`];
  }

  /** Runs programs in it, one a line. @throws Error when one fails */
  do(script: string): string {
    return execFileSync("nsenter", [`--net=${this.path}`, "/bin/sh", "-ec", script], {
      encoding: "utf8",
      stdio: "pipe",
    });
  }

  /** All devices but the loopback. */
  devices(): readonly Device[] {
    const all = JSON.parse(this.do("ip -j address")) as Device[];
    return all.filter((device) => device.ifname !== "lo");
  }

  names(): readonly string[] {
    return this.devices().map((device) => device.ifname);
  }

  device(name: string): Device | undefined {
    return this.devices().find((device) => device.ifname === name);
  }

  /** Global addresses in the order in which the kernel has them. */
  globalAddresses(name: string): readonly string[] {
    const addresses = this.device(name)?.addr_info.filter((address) => address.scope === "global") ?? [];
    return addresses.map((address) => `${address.local}/${address.prefixlen}`);
  }
}

/** A new network namespace that lives as long as the test. */
export async function makeNetwork(t: Scope): Promise<Network> {
  const holder = startCommand(["unshare", "-n", "/bin/sh", "-c", "echo ready; exec sleep 1000"]);
  t.cleanup(async () => {
    holder.child.kill("SIGKILL");
    await holder.result;
  });
  await until("the network namespace", () => readFileSync(holder.stdoutFile, "utf8").includes("ready"));
  const network = new Network(holder.child.pid ?? 0);
  network.do("ip link set lo up");
  return network;
}

/** Whether the kernel can make devices of this type. */
export function canMake(type: string): boolean {
  return spawnSync("unshare", ["-n", "ip", "link", "add", "probe0", "type", type]).status === 0;
}
