/**
 * Whatever op fails before the container runs: its network devices are the host's again, as they were. What is the host
 * here is a network namespace of the test's own. Root only.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Config, config, removeAll } from "./lib/bundle.ts";
import { casesOf, failureProblems, type Judge, type Subject, subjectPlan, sweep } from "./lib/sweep.ts";

setDefaultTimeout(300_000);

let host: Bun.Subprocess | undefined;
/** Words before a command, once there is the host. */
const ENTER: string[] = [];
const BEFORE = new Map<string, string>();

beforeAll(async () => {
  // It ends with us where a filter on names leaves `afterAll` out.
  const command = ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "/bin/sh", "-c", "echo; exec sleep 1000"];
  const holder = Bun.spawn(command, { stdout: "pipe" });
  host = holder;
  await holder.stdout.getReader().read();
  ENTER.push("nsenter", `--net=/proc/${holder.pid}/ns/net`);
  const names = ["lanea", "laneb"];
  for (const [i, name] of names.entries()) makeDevice(name, i + 1);
  await Bun.sleep(100);
  for (const name of names) BEFORE.set(name, picture(name));
});

afterAll(() => {
  host?.kill("SIGKILL");
  removeAll();
});

function inHost(script: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...ENTER, "/bin/sh", "-ec", script]);
  if (exitCode !== 0) throw new Error(`${stderr}`);
  return `${stdout}`;
}

/** Cases run in two lanes at a time. */
function deviceOf(id: string): string {
  return id.includes("-b-") ? "laneb" : "lanea";
}

function makeDevice(name: string, n: number): void {
  inHost(`
    ip link add ${name} type veth peer name ${name}peer
    ip address add 10.7.${n}.1/24 dev ${name} label ${name}:one
    ip address add 10.8.${n}.1/24 dev ${name} scope link
    ip -6 address add fd00:${n}::1/64 dev ${name} nodad
    ip link set ${name} up
    ip link set ${name}peer up`);
}

/** What there is to see of it but times; "" when it is not there. */
function picture(name: string): string {
  const shown = inHost(
    `ip -o address show dev ${name} 2>/dev/null || true; ip -o link show dev ${name} 2>/dev/null || true`,
  );
  // The kernel's own address comes, and an IPv6 address is tentative, for a moment after the device came up.
  const lines = shown.split("\n").filter((line) => !line.includes("inet6 fe80:"));
  return lines
    .map((line) => line.replace(/ tentative/, ""))
    .sort()
    .join("\n")
    .trim();
}

function withDevice(id: string): Config {
  const base = config(id, "exit 0");
  return { ...base, linux: { ...(base.linux as Config), netDevices: { [deviceOf(id)]: { name: "eth%d" } } } };
}

const SUBJECT: Subject = { name: "net", verb: "run", config: withDevice, wrap: ENTER };

test.each(["EIO", "KILL"])("%s of any op", async (error) => {
  const plan = await subjectPlan(SUBJECT);
  const names = plan.launcher.map(({ op }) => op);
  expect(names.filter((op) => op.startsWith("net"))).toEqual(["netlink", "netlink", "netFind", "netMove"]);
  const judge: Judge = async (at, outcome, id) => {
    const op = at.op.at === undefined ? at.op : { ...at.op, at: at.op.at.replace("lanea", deviceOf(id)) };
    const problems = await failureProblems({ ...at, op }, outcome, id);
    const now = picture(deviceOf(id));
    const before = BEFORE.get(deviceOf(id));
    // What passes over a failure has a container that ran, and that took its device with it.
    const ran = at.op.orElse === true || at.op.quiet === true;
    if (now === "") makeDevice(deviceOf(id), deviceOf(id) === "lanea" ? 1 : 2);
    if (now !== before && !ran) problems.push(`the device was\n${before}\nand is\n${now}`);
    BEFORE.set(deviceOf(id), picture(deviceOf(id)));
    return problems;
  };
  // Until the container runs; a launcher that is killed can give nothing back.
  const running = names.indexOf("closeSlot");
  const cases = [
    ...(error === "EIO" ? casesOf(plan, ["launcher"], [error]).filter(({ index }) => index < running) : []),
    ...casesOf(plan, ["init"], [error]),
  ];
  expect(await sweep(SUBJECT, cases, judge)).toEqual([]);
  expect(cases.length).toBeGreaterThan(50);
});
