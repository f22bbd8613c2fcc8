/**
 * What systemd holds of a container's limits and what the files of its cgroup hold is the same: after create, after update,
 * after an update that failed, and after systemd was reloaded and executed anew. As root in a VM with systemd:
 *
 *     test/vm/vm-run --systemd --timeout 600 -- node_modules/.bin/bun test ./test/systemd/holds.ts
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { Containers, DONE, type Ran, shown, systemctl } from "./lib/containers.ts";

const SLICE = "tsr-holds.slice";

/** What `systemctl show` says and what the files hold. */
interface Held {
  readonly show: Readonly<Record<string, string>>;
  /** What a file has to begin with: io.max has more devices and keys than are set. */
  readonly files: Readonly<Record<string, string>>;
}

interface Row {
  readonly resources: object;
  readonly held: Held;
  readonly update: object;
  readonly updated: Held;
  /** Only where the kernel has this file in a cgroup. */
  readonly needs?: string;
}

const MIB = 1 << 20;
/** A disk that reads and writes nothing: made by the test. */
let disk = "";
let loop = "";

function rows(): Readonly<Record<string, Row>> {
  const memory = (property: string, file: string, first: object, second: object): Row => ({
    resources: first,
    held: { show: { [property]: `${64 * MIB}` }, files: { [file]: `${64 * MIB}` } },
    update: second,
    updated: { show: { [property]: `${96 * MIB}` }, files: { [file]: `${96 * MIB}` } },
    needs: file,
  });
  const unified = (property: string, file: string) =>
    memory(property, file, { unified: { [file]: `${64 * MIB}` } }, { unified: { [file]: "96M" } });
  return {
    "memory limit, in whole pages": {
      resources: { memory: { limit: 64 * MIB + 1 } },
      held: { show: { MemoryMax: `${64 * MIB}` }, files: { "memory.max": `${64 * MIB}` } },
      update: { memory: { limit: 96 * MIB + 4095 } },
      updated: { show: { MemoryMax: `${96 * MIB}` }, files: { "memory.max": `${96 * MIB}` } },
    },
    "no memory limit": {
      resources: { memory: { limit: 64 * MIB, swap: 128 * MIB } },
      held: {
        show: { MemoryMax: `${64 * MIB}`, MemorySwapMax: `${64 * MIB}` },
        files: { "memory.max": `${64 * MIB}`, "memory.swap.max": `${64 * MIB}` },
      },
      update: { memory: { limit: -1, swap: -1 } },
      updated: {
        show: { MemoryMax: "infinity", MemorySwapMax: "infinity" },
        files: { "memory.max": "max", "memory.swap.max": "max" },
      },
    },
    "memory reservation": memory(
      "MemoryLow",
      "memory.low",
      { memory: { reservation: 64 * MIB } },
      { memory: { reservation: 96 * MIB } },
    ),
    "unified memory.max": unified("MemoryMax", "memory.max"),
    "unified memory.high": unified("MemoryHigh", "memory.high"),
    "unified memory.low": unified("MemoryLow", "memory.low"),
    "unified memory.min": unified("MemoryMin", "memory.min"),
    "unified memory.swap.max": unified("MemorySwapMax", "memory.swap.max"),
    "cpu shares": {
      resources: { cpu: { shares: 2048 } },
      held: { show: { CPUWeight: "174" }, files: { "cpu.weight": "174", "cpu.idle": "0" } },
      update: { cpu: { shares: 512 } },
      updated: { show: { CPUWeight: "59" }, files: { "cpu.weight": "59", "cpu.idle": "0" } },
    },
    "cpu idle, and no longer": {
      resources: { cpu: { idle: 1 } },
      held: { show: { CPUWeight: "idle" }, files: { "cpu.idle": "1" } },
      update: { cpu: { idle: 0 } },
      updated: { show: { CPUWeight: "100" }, files: { "cpu.idle": "0", "cpu.weight": "100" } },
    },
    "cpu idle with shares": {
      resources: { cpu: { shares: 1024 } },
      held: { show: { CPUWeight: "100" }, files: { "cpu.idle": "0" } },
      update: { cpu: { idle: 1, shares: 2048 } },
      updated: { show: { CPUWeight: "idle" }, files: { "cpu.idle": "1" } },
    },
    "unified cpu.weight, then cpu.weight.nice": {
      resources: { unified: { "cpu.weight": "77" } },
      held: { show: { CPUWeight: "77" }, files: { "cpu.weight": "77" } },
      update: { unified: { "cpu.weight.nice": "-5" } },
      updated: { show: { CPUWeight: "305" }, files: { "cpu.weight": "305", "cpu.weight.nice": "-5" } },
    },
    "cpu quota that is no whole percent": {
      resources: { cpu: { quota: 500_000, period: 900_000 } },
      held: {
        show: { CPUQuotaPerSecUSec: "560ms", CPUQuotaPeriodUSec: "900ms" },
        files: { "cpu.max": "504000 900000" },
      },
      update: { cpu: { quota: 12_345 } },
      updated: {
        show: { CPUQuotaPerSecUSec: "20ms", CPUQuotaPeriodUSec: "900ms" },
        files: { "cpu.max": "18000 900000" },
      },
    },
    "cpu period alone, then no quota": {
      resources: { unified: { "cpu.max": "33333 100000" } },
      held: {
        show: { CPUQuotaPerSecUSec: "340ms", CPUQuotaPeriodUSec: "100ms" },
        files: { "cpu.max": "34000 100000" },
      },
      update: { cpu: { period: 30_000 } },
      updated: {
        show: { CPUQuotaPerSecUSec: "1.140000s", CPUQuotaPeriodUSec: "30ms" },
        files: { "cpu.max": "34200 30000" },
      },
    },
    "no cpu quota": {
      resources: { cpu: { quota: 50_000, period: 50_000 } },
      held: { show: { CPUQuotaPerSecUSec: "1s" }, files: { "cpu.max": "50000 50000" } },
      update: { cpu: { quota: -1 } },
      updated: {
        show: { CPUQuotaPerSecUSec: "infinity", CPUQuotaPeriodUSec: "100ms" },
        files: { "cpu.max": "max 100000" },
      },
    },
    cpuset: {
      resources: { cpu: { cpus: "0", mems: "0" } },
      held: { show: { AllowedCPUs: "0", AllowedMemoryNodes: "0" }, files: { "cpuset.cpus": "0", "cpuset.mems": "0" } },
      update: { cpu: { cpus: "0,1" } },
      updated: { show: { AllowedCPUs: "0-1", AllowedMemoryNodes: "0" }, files: { "cpuset.cpus": "0-1" } },
    },
    "unified cpuset.cpus": {
      resources: { unified: { "cpuset.cpus": "0-1:1/2" } },
      held: { show: { AllowedCPUs: "0" }, files: { "cpuset.cpus": "0" } },
      update: { unified: { "cpuset.cpus": "1" } },
      updated: { show: { AllowedCPUs: "1" }, files: { "cpuset.cpus": "1" } },
    },
    pids: {
      resources: { pids: { limit: 50 } },
      held: { show: { TasksMax: "50" }, files: { "pids.max": "50" } },
      update: { pids: { limit: -1 } },
      updated: { show: { TasksMax: "infinity" }, files: { "pids.max": "max" } },
    },
    "unified pids.max": {
      resources: { unified: { "pids.max": "max" } },
      held: { show: { TasksMax: "infinity" }, files: { "pids.max": "max" } },
      update: { unified: { "pids.max": "0" } },
      updated: { show: { TasksMax: "1" }, files: { "pids.max": "1" } },
    },
    "io weight": {
      resources: { blockIO: { weight: 500 } },
      held: { show: { IOWeight: "4500" }, files: { "io.bfq.weight": "default 500" } },
      update: { blockIO: { weight: 10 } },
      updated: { show: { IOWeight: "10" }, files: { "io.bfq.weight": "default 10" } },
      needs: "io.bfq.weight",
    },
    "unified io.weight": {
      resources: { unified: { "io.weight": "default 300" } },
      held: { show: { IOWeight: "300" }, files: { "io.weight": "default 300" } },
      update: { unified: { "io.weight": "77" } },
      updated: { show: { IOWeight: "77" }, files: { "io.weight": "default 77" } },
      needs: "io.weight",
    },
    "io limits": {
      resources: {
        blockIO: {
          throttleReadBpsDevice: [device(1 * MIB)],
          throttleWriteIOPSDevice: [device(100)],
        },
      },
      held: {
        show: { IOReadBandwidthMax: `/dev/block/${disk} ${MIB}`, IOWriteIOPSMax: `/dev/block/${disk} 100` },
        files: { "io.max": `${disk} rbps=${MIB} wbps=max riops=max wiops=100` },
      },
      update: { blockIO: { throttleReadBpsDevice: [device(2 * MIB)] } },
      updated: {
        show: { IOReadBandwidthMax: `/dev/block/${disk} ${2 * MIB}`, IOWriteIOPSMax: `/dev/block/${disk} 100` },
        files: { "io.max": `${disk} rbps=${2 * MIB} wbps=max riops=max wiops=100` },
      },
      needs: "io.max",
    },
    "unified io.max": {
      resources: { unified: { "io.max": `${disk} wbps=${MIB} riops=50` } },
      held: {
        show: { IOWriteBandwidthMax: `/dev/block/${disk} ${MIB}`, IOReadIOPSMax: `/dev/block/${disk} 50` },
        files: { "io.max": `${disk} rbps=max wbps=${MIB} riops=50 wiops=max` },
      },
      update: { unified: { "io.max": `${disk} wbps=max` } },
      updated: {
        show: { IOReadIOPSMax: `/dev/block/${disk} 50` },
        files: { "io.max": `${disk} rbps=max wbps=max riops=50 wiops=max` },
      },
      needs: "io.max",
    },
    "nothing that was asked for": {
      resources: {},
      held: {
        show: { MemoryMax: "infinity", CPUWeight: "[not set]" },
        files: { "memory.max": "max", "cpu.weight": "100" },
      },
      update: { memory: { limit: 64 * MIB } },
      updated: { show: { MemoryMax: `${64 * MIB}`, CPUWeight: "[not set]" }, files: { "cpu.weight": "100" } },
    },
  };
}

function device(rate: number): object {
  const [major, minor] = disk.split(":").map(Number);
  return { major, minor, rate };
}

const containers = new Containers(SLICE);
const unitOf = (id: string) => `t-${id}.scope`;
const directoryOf = (id: string) => `/sys/fs/cgroup/tsr.slice/${SLICE}/${unitOf(id)}`;

/** What is held of what a row asks for. */
function held(id: string, { show, files }: Held): Held {
  const read = (file: string, begin: string) => {
    const text = fs.readFileSync(path.join(directoryOf(id), file), "utf8").trim();
    return text.split("\n").find((line) => line === begin) ?? text;
  };
  return {
    show: shown(unitOf(id), Object.keys(show)),
    files: Object.fromEntries(Object.entries(files).map(([file, begin]) => [file, read(file, begin)])),
  };
}

/** All that a reload may change, of every container. */
function everything(): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const id of names.keys()) {
    for (const file of fs.readdirSync(directoryOf(id)).filter((name) => /^(cpu|cpuset|io|memory|pids)\./.test(name))) {
      if (!/^(io\.bfq\.weight|.*\.(weight|max|min|low|high|idle|nice|cpus|mems|burst|group|writeback))$/.test(file))
        continue;
      found[`${id} ${file}`] = fs.readFileSync(path.join(directoryOf(id), file), "utf8").trim();
    }
    found[`${id} properties`] = systemctl("show", unitOf(id))
      .split("\n")
      .filter((line) =>
        /^(Memory|CPU|Allowed|IO|Tasks|Device|OOM)[A-Za-z]*(Max|Min|Low|High|Weight|USec|CPUs|Nodes|Policy|Allow)=/.test(
          line,
        ),
      )
      .sort()
      .join(" ");
  }
  return found;
}

/** Containers by the rows that they are for. */
const names = new Map<string, string>();
const before: Record<string, Readonly<Record<string, string>>> = {};
const found: Record<string, Record<string, Held>> = {};
let table: Readonly<Record<string, Row>> = {};

/** systemd writes what it holds after it has answered, so both are read after it has nothing left to do. */
function settle(): void {
  systemctl("show", "-p", "Version");
}

const failures: Record<string, Ran> = {};

beforeAll(() => {
  const { work } = containers;
  fs.writeFileSync(path.join(work, "disk"), Buffer.alloc(MIB));
  spawnSync("modprobe", ["loop"]);
  loop = execFileSync("losetup", ["-f", "--show", path.join(work, "disk")], { encoding: "utf8" }).trim();
  disk = fs.readFileSync(`/sys/block/${path.basename(loop)}/dev`, "utf8").trim();
  containers.create("probe", {});
  const has = (file: string | undefined) => file === undefined || fs.existsSync(path.join(directoryOf("probe"), file));
  table = Object.fromEntries(Object.entries(rows()).filter(([, { needs }]) => has(needs)));
  containers.remove("probe");
  const look = (phase: string, which: "held" | "updated") => {
    settle();
    for (const [id, name] of names) {
      const row = table[name] as Row;
      found[name] = { ...found[name], [phase]: held(id, row[which]) };
    }
  };
  Object.entries(table).forEach(([name, { resources }], i) => {
    containers.create(`r${i}`, resources);
    names.set(`r${i}`, name);
  });
  look("create", "held");
  before.reload = everything();
  systemctl("daemon-reload");
  look("reload", "held");
  before.reexec = everything();
  systemctl("daemon-reexec");
  look("reexec", "held");
  before.failure = everything();
  for (const [id, name] of names) {
    // The kernel refuses the last of the files only.
    const { update: wanted } = table[name] as Row & { readonly update: { readonly unified?: object } };
    failures[name] = containers.update(id, {
      ...wanted,
      unified: { ...(wanted as { unified?: object }).unified, "cgroup.max.depth": "x" },
    });
  }
  look("failed update", "held");
  before.update = everything();
  for (const [id, name] of names) failures[`${name}: update`] = containers.update(id, (table[name] as Row).update);
  look("update", "updated");
  before.again = everything();
  systemctl("daemon-reload");
  look("reload after update", "updated");
  before.end = everything();
}, 600_000);

afterAll(() => {
  for (const id of names.keys()) containers.remove(id);
  if (loop !== "") spawnSync("losetup", ["-d", loop]);
  fs.rmSync(containers.work, { recursive: true, force: true });
}, 120_000);

const PHASES = [
  ["create", "held"],
  ["reload", "held"],
  ["reexec", "held"],
  ["failed update", "held"],
  ["update", "updated"],
  ["reload after update", "updated"],
] as const;

test.each([...PHASES])("after %s each row has what it asks for", (phase, which) => {
  const seen = Object.fromEntries(Object.keys(table).map((name) => [name, found[name]?.[phase]]));
  expect(seen).toEqual(Object.fromEntries(Object.entries(table).map(([name, row]) => [name, row[which]])));
});

test("a reload changes nothing, nor does it to be executed anew, nor an update that fails", () => {
  expect(before.reexec).toEqual(before.reload as never);
  expect(before.failure).toEqual(before.reload as never);
  expect(before.update).toEqual(before.reload as never);
  expect(before.end).toEqual(before.again as never);
});

test("the updates that were to fail did, and the others did not", () => {
  for (const name of Object.keys(table)) {
    expect([name, failures[name]?.status]).toEqual([name, 1]);
    expect(failures[`${name}: update`]).toEqual(DONE);
  }
});

test("the table is not nearly empty: what a kernel lacks is little", () => {
  expect(Object.keys(table).length).toBeGreaterThan(18);
});

test("containers are made, changed and removed while systemd is executed anew", async () => {
  for (let round = 0; round < 3; round++) {
    const reexec = Bun.spawn(["systemctl", "daemon-reexec"]);
    const id = `again${round}`;
    containers.create(id, { pids: { limit: 20 } });
    expect(containers.update(id, { pids: { limit: 30 } })).toEqual(DONE);
    expect(containers.remove(id)).toEqual(DONE);
    expect(await reexec.exited).toBe(0);
  }
}, 120_000);

test("devices: systemd's rules allow what ours do, before and after a reload", () => {
  const nodes = [
    { path: "/dev/fuse", type: "c", major: 10, minor: 229 },
    { path: "/dev/hpet", type: "c", major: 10, minor: 228 },
  ];
  const resources = {
    devices: [
      { allow: false, access: "rwm" },
      { allow: true, type: "c", major: 10, minor: 229, access: "r" },
    ],
  };
  containers.create("devices", resources, { devices: nodes });
  containers.create("all", { devices: [{ allow: true, access: "rwm" }] }, { devices: nodes });
  containers.create(
    "hole",
    {
      devices: [
        { allow: true, access: "rwm" },
        { allow: false, type: "c", major: 10, minor: 229, access: "rw" },
      ],
    },
    { devices: nodes },
  );
  const look = () => ({
    narrow: [
      containers.opens("devices", "/dev/fuse"),
      containers.opens("devices", "/dev/hpet"),
      containers.opens("devices", "/dev/null"),
    ],
    all: containers.opens("all", "/dev/fuse"),
    hole: [containers.opens("hole", "/dev/fuse"), containers.opens("hole", "/dev/null")],
  });
  const expected = { narrow: ["r", "", "rw"], all: "rw", hole: ["", "rw"] };
  try {
    expect(look()).toEqual(expected);
    const shown = systemctl("show", unitOf("devices"), "-p", "DevicePolicy,DeviceAllow");
    expect(shown).toContain("DevicePolicy=strict");
    expect(shown).toMatch(/^DeviceAllow=\/dev\/char\/10:229 r$/m);
    expect(shown).toMatch(/^DeviceAllow=char-136 rwm$/m);
    expect(systemctl("show", unitOf("all"), "-p", "DevicePolicy,DeviceAllow")).toContain("DevicePolicy=auto");
    systemctl("daemon-reload");
    expect(look()).toEqual(expected);
    expect(containers.update("devices", { memory: { limit: 64 * MIB } })).toEqual(DONE);
    expect(look()).toEqual(expected);
    systemctl("daemon-reexec");
    expect(look()).toEqual(expected);
  } finally {
    for (const id of ["devices", "all", "hole"]) containers.remove(id);
  }
}, 120_000);
