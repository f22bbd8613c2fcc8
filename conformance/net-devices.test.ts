/** `linux.netDevices` (config-linux.md, "Network Devices"). What is the host here is a network namespace of the test's. */
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, type Scope } from "./lib/harness.ts";
import { canMake, type Device, makeNetwork, Network } from "./lib/network.ts";
import { until } from "./lib/runtime.ts";
import { setNamespace, useUserNamespace } from "./lib/spec.ts";

area();

/** The container's network, while it runs. */
async function networkOf(container: Container): Promise<Network> {
  return new Network(await container.pid());
}

function withDevices(t: Scope, netDevices: Record<string, { name?: string }>, join?: Network): Container {
  return t.container((spec) => {
    spec.linux.netDevices = netDevices;
    if (join !== undefined) setNamespace(spec, "network", join.path);
  });
}

/** A device with addresses of all kinds; its counterpart, where it has one, stays. */
function addDevice(host: Network, type: string, name: string, n = 1): void {
  host.do(`
    ip link add ${name} type ${type} ${type === "veth" ? `peer name ${name}peer` : ""}
    ip link set ${name} mtu 1400 address 02:00:00:00:00:0${n}
    ip address add 10.7.${n}.1/24 dev ${name} label ${name}:one
    ip address add 10.7.${n}.2/24 dev ${name}
    ip address add 10.8.${n}.1 peer 10.8.${n}.9/32 dev ${name} scope link
    ip address add 10.9.${n}.1/24 dev ${name} valid_lft 5000 preferred_lft 5000
    ip -6 address add fd00:${n}::1/64 dev ${name} nodad
    ip link set ${name} up
    ${type === "veth" ? `ip link set ${name}peer up` : ""}`);
}

const PERMANENT = ["10.7.1.1/24", "10.7.1.2/24", "fd00:1::1/64"];

/** All there is to see of a device on the host, but for what time changes. */
function picture(device: Device | undefined): unknown {
  if (device === undefined) return undefined;
  const { ifname, ifindex, mtu, address } = device;
  // Those the kernel makes up, when it sees the device up a moment later.
  const given = device.addr_info.filter((address) => !address.local.startsWith("fe80:"));
  const addresses = given.map(({ local, prefixlen, scope, label }) => ({ local, prefixlen, scope, label }));
  const texts = addresses.map((text) => JSON.stringify(text)).sort();
  return { ifname, ifindex, mtu, address, up: device.flags.includes("UP"), addresses: texts };
}

for (const type of ["veth", "dummy"].filter(canMake)) {
  check(`a ${type} device moves with its attributes and permanent global addresses, and is up`, async (t) => {
    const host = await makeNetwork(t);
    addDevice(host, type, "out0");
    const c = withDevices(t, { out0: {} });
    await c.up({ wrap: host.enter });
    const inside = await networkOf(c);
    expect(inside.names()).toEqual(["out0"]);
    const device = inside.device("out0");
    expect(device?.flags).toContain("UP");
    expect(device).toMatchObject({ mtu: 1400, address: "02:00:00:00:00:01" });
    expect(inside.globalAddresses("out0")).toEqual(PERMANENT);
    expect(device?.addr_info.find((address) => address.local === "10.7.1.1")?.label).toBe("out0:one");
    expect(host.device("out0")).toBeUndefined();
    await c.down();
    // Virtual devices end with the container's namespace, which the kernel takes away a moment later.
    await until("the end of the devices", () => host.names().length === 0);
  });

  check(`a ${type} device goes to a namespace that is joined under another name, and stays there`, async (t) => {
    const host = await makeNetwork(t);
    const joined = await makeNetwork(t);
    addDevice(host, type, "out0");
    const c = withDevices(t, { out0: { name: "in0" } }, joined);
    await c.up({ wrap: host.enter });
    expect(joined.globalAddresses("in0")).toEqual(PERMANENT);
    const label = joined.device("in0")?.addr_info.find((address) => address.local === "10.7.1.1")?.label;
    expect(label).toBe("in0:one");
    await c.down();
    expect(joined.names()).toEqual(["in0"]);
    expect(joined.globalAddresses("in0")).toEqual(PERMANENT);
  });

  checkTsrunc(`a ${type} device comes back as it was when the container cannot be created`, async (t) => {
    const host = await makeNetwork(t);
    addDevice(host, type, "out0");
    const before = picture(host.device("out0"));
    const c = withDevices(t, { out0: { name: "in0" } });
    c.spec.hooks = { createRuntime: [{ path: "/bin/false" }] };
    expect((await c.tryCreate({ wrap: host.enter })).code).not.toBe(0);
    expect(picture(host.device("out0"))).toEqual(before);
    c.spec.hooks = {};
    c.spec.process.args = ["/bin/nonexistent"];
    expect((await c.run({ wrap: host.enter })).code).not.toBe(0);
    expect(picture(host.device("out0"))).toEqual(before);
  });
}

check(
  "a device that was down and had no address is up in the container, and down again when it comes back",
  async (t) => {
    const host = await makeNetwork(t);
    host.do("ip link add out0 type veth peer name out1");
    const c = withDevices(t, { out0: {} });
    await c.up({ wrap: host.enter });
    expect((await networkOf(c)).device("out0")?.flags).toContain("UP");
    await c.down();
    host.do("ip link add down0 type veth peer name down1");
    const before = picture(host.device("down0"));
    const other = withDevices(t, { down0: {} });
    other.spec.hooks = { prestart: [{ path: "/bin/false" }] };
    expect((await other.tryCreate({ wrap: host.enter })).code).not.toBe(0);
    expect(picture(host.device("down0"))).toEqual(before);
  },
);

check("a name with %d is made unique by the kernel", async (t) => {
  const host = await makeNetwork(t);
  const joined = await makeNetwork(t);
  for (const name of ["x0", "y0", "z0"]) host.do(`ip link add ${name} type veth peer name ${name}peer`);
  // In the way, under the name that one of them has on the host.
  joined.do("ip link add y0 type veth peer name y0peer");
  const c = withDevices(t, { x0: { name: "lan%d" }, y0: { name: "lan%d" }, z0: { name: "lan0" } }, joined);
  await c.up({ wrap: host.enter });
  expect([...joined.names()].sort()).toEqual(["lan0", "lan1", "lan2", "y0", "y0peer"]);
  await c.down();
});

check("two devices can exchange their names", async (t) => {
  const host = await makeNetwork(t);
  const joined = await makeNetwork(t);
  addDevice(host, "veth", "x0", 1);
  addDevice(host, "veth", "y0", 2);
  const c = withDevices(t, { x0: { name: "y0" }, y0: { name: "x0" } }, joined);
  await c.up({ wrap: host.enter });
  expect(joined.globalAddresses("y0")).toContain("10.7.1.1/24");
  expect(joined.globalAddresses("x0")).toContain("10.7.2.1/24");
  await c.down();
});

check("a device goes past one of its name in the container's namespace, to another name", async (t) => {
  const host = await makeNetwork(t);
  const joined = await makeNetwork(t);
  addDevice(host, "veth", "eth0");
  joined.do("ip link add eth0 type veth peer name eth1");
  const c = withDevices(t, { eth0: { name: "net1" } }, joined);
  await c.up({ wrap: host.enter });
  expect([...joined.names()].sort()).toEqual(["eth0", "eth1", "net1"]);
  expect(joined.globalAddresses("net1")).toEqual(PERMANENT);
  expect(joined.globalAddresses("eth0")).toEqual([]);
  await c.down();
});

check("a container with a user namespace gets the device too", async (t) => {
  const host = await makeNetwork(t);
  addDevice(host, "veth", "out0");
  const c = withDevices(t, { out0: {} });
  useUserNamespace(c.spec);
  await c.up({ wrap: host.enter });
  expect((await networkOf(c)).globalAddresses("out0")).toEqual(PERMANENT);
  await c.down();
});

/** Neither of two devices is touched where the other one cannot be moved. */
async function refused(t: Scope, devices: Record<string, { name?: string }>, prepare: (joined: Network) => void) {
  const host = await makeNetwork(t);
  const joined = await makeNetwork(t);
  addDevice(host, "veth", "aaa", 1);
  host.do("ip link add bridge type bridge");
  prepare(joined);
  const before = host.devices().map(picture);
  const there = joined.names();
  const c = withDevices(t, devices, joined);
  const result = await c.tryCreate({ wrap: host.enter });
  expect(result.code).not.toBe(0);
  expect(host.devices().map(picture)).toEqual(before);
  expect(joined.names()).toEqual(there);
  return result.stderr;
}

checkTsrunc("a device that the host does not have is refused, and the others stay", async (t) => {
  expect(await refused(t, { aaa: {}, zzz: {} }, () => {})).toContain("zzz");
});

checkTsrunc("a name that the container's namespace has already is refused, and the device stays", async (t) => {
  const prepare = (joined: Network) => {
    joined.do("ip link add taken type veth peer name takenpeer");
  };
  expect(await refused(t, { aaa: { name: "taken" } }, prepare)).toContain("taken");
});

checkTsrunc("a device that the kernel keeps in its namespace is refused, and the others come back", async (t) => {
  expect(await refused(t, { aaa: {}, bridge: {} }, () => {})).toContain("bridge");
});

checkTsrunc("a device comes back where its addresses cannot be kept", async (t) => {
  const prepare = (joined: Network) => {
    joined.do("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
  };
  expect(await refused(t, { aaa: { name: "in0" } }, prepare)).toContain("aaa");
});

checkTsrunc("the runtime's own network namespace, joined by path, is refused", async (t) => {
  const host = await makeNetwork(t);
  addDevice(host, "veth", "out0");
  const before = host.devices().map(picture);
  const c = withDevices(t, { out0: {} }, host);
  expect((await c.tryCreate({ wrap: host.enter })).code).not.toBe(0);
  expect(host.devices().map(picture)).toEqual(before);
});
