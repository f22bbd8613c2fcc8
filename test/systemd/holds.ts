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
import { type Held, MIB, type Row, rows } from "./lib/rows.ts";

const SLICE = "tsr-holds.slice";

/** A disk that reads and writes nothing. */
let loop = "";
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
  const disk = fs.readFileSync(`/sys/block/${path.basename(loop)}/dev`, "utf8").trim();
  containers.create("probe", {});
  const has = (file: string | undefined) => file === undefined || fs.existsSync(path.join(directoryOf("probe"), file));
  table = Object.fromEntries(Object.entries(rows(disk)).filter(([, { needs }]) => has(needs)));
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
