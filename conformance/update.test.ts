import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { cgroupDirectory, hasController, readControl } from "./lib/cgroup.ts";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc, given, type Scope } from "./lib/harness.ts";
import { cgroupVersion } from "./lib/host.ts";
import { lacksAny, lacksCgroup, lacksController } from "./lib/needs.ts";
import { type Result, runtime } from "./lib/runtime.ts";

area();

const V2 = cgroupVersion() === 2;
const MB = 1 << 20;
const MEMORY = V2 ? "memory.max" : "memory.limit_in_bytes";
const RESERVATION = V2 ? "memory.low" : "memory.soft_limit_in_bytes";
const SWAP = V2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";

/** What each container of these tests starts with. */
const INITIAL = {
  memory: { limit: 64 * MB, reservation: 32 * MB, swap: 96 * MB },
  cpu: { shares: 100, quota: 50_000, period: 100_000 },
  pids: { limit: 20 },
};

type Files = Readonly<Record<string, string | RegExp>>;

interface Row {
  readonly flags: readonly string[];
  /** The same as a document for --resources, where it can be said. */
  readonly resources?: object;
  readonly v1?: Files;
  readonly v2?: Files;
}

const UNLIMITED = /^(max|9223372036854\d+)$/;
const ROWS: readonly Row[] = [
  {
    flags: ["--memory=50M"],
    resources: { memory: { limit: 50 * MB } },
    v1: { [MEMORY]: `${50 * MB}`, [SWAP]: `${96 * MB}`, [RESERVATION]: `${32 * MB}` },
    v2: { [MEMORY]: `${50 * MB}`, [RESERVATION]: `${32 * MB}` },
  },
  {
    flags: ["--memory=67108864", "--memory-swap=128m"],
    resources: { memory: { limit: 64 * MB, swap: 128 * MB } },
    v1: { [MEMORY]: `${64 * MB}`, [SWAP]: `${128 * MB}` },
    v2: { [MEMORY]: `${64 * MB}`, [SWAP]: `${64 * MB}` },
  },
  // Above both old limits, and below both: neither order of the two writes does for both.
  {
    flags: ["--memory=256M", "--memory-swap=300M"],
    resources: { memory: { limit: 256 * MB, swap: 300 * MB } },
    v1: { [MEMORY]: `${256 * MB}`, [SWAP]: `${300 * MB}` },
    v2: { [MEMORY]: `${256 * MB}`, [SWAP]: `${44 * MB}` },
  },
  {
    flags: ["--memory=16M", "--memory-swap=20M"],
    resources: { memory: { limit: 16 * MB, swap: 20 * MB } },
    v1: { [MEMORY]: `${16 * MB}`, [SWAP]: `${20 * MB}` },
    v2: { [MEMORY]: `${16 * MB}`, [SWAP]: `${4 * MB}` },
  },
  {
    flags: ["--memory-reservation=8M"],
    resources: { memory: { reservation: 8 * MB } },
    v1: { [RESERVATION]: `${8 * MB}`, [MEMORY]: `${64 * MB}` },
    v2: { [RESERVATION]: `${8 * MB}`, [MEMORY]: `${64 * MB}` },
  },
  {
    flags: ["--memory=-1"],
    resources: { memory: { limit: -1 } },
    v1: { [MEMORY]: UNLIMITED, [SWAP]: UNLIMITED },
    v2: { [MEMORY]: "max", [SWAP]: "max" },
  },
  {
    flags: ["--memory-swap=-1"],
    resources: { memory: { swap: -1 } },
    v1: { [MEMORY]: `${64 * MB}`, [SWAP]: UNLIMITED },
    v2: { [MEMORY]: `${64 * MB}`, [SWAP]: "max" },
  },
  {
    flags: ["--cpu-quota=20000"],
    resources: { cpu: { quota: 20_000 } },
    v1: { "cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "100000", "cpu.shares": "100" },
    v2: { "cpu.max": "20000 100000" },
  },
  {
    flags: ["--cpu-period=200000"],
    resources: { cpu: { period: 200_000 } },
    v1: { "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "200000" },
    v2: { "cpu.max": "50000 200000" },
  },
  {
    flags: ["--cpu-quota=-1", "--cpu-period=50000"],
    resources: { cpu: { quota: -1, period: 50_000 } },
    v1: { "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "50000" },
    v2: { "cpu.max": "max 50000" },
  },
  {
    flags: ["--cpu-share=262144"],
    resources: { cpu: { shares: 262_144 } },
    v1: { "cpu.shares": "262144", "cpu.cfs_quota_us": "50000" },
    v2: { "cpu.weight": "10000", "cpu.max": "50000 100000" },
  },
  {
    flags: ["--cpuset-cpus=0", "--cpuset-mems=0"],
    resources: { cpu: { cpus: "0", mems: "0" } },
    v1: { "cpuset.cpus": "0", "cpuset.mems": "0" },
    v2: { "cpuset.cpus": "0", "cpuset.mems": "0" },
  },
  {
    flags: ["--pids-limit=30"],
    resources: { pids: { limit: 30 } },
    v1: { "pids.max": "30", [MEMORY]: `${64 * MB}` },
    v2: { "pids.max": "30", [MEMORY]: `${64 * MB}` },
  },
  {
    flags: ["--pids-limit=-1"],
    resources: { pids: { limit: -1 } },
    v1: { "pids.max": "max" },
    v2: { "pids.max": "max" },
  },
];

function controllerOf(file: string): string {
  return file.slice(0, file.indexOf("."));
}

/** The container with {@link INITIAL}, as far as this host has the controllers. */
async function made(t: Scope): Promise<Container> {
  const c = t.container((spec) => {
    const entries = Object.entries(INITIAL).filter(([controller]) => hasController(controller));
    spec.linux.resources = Object.fromEntries(entries);
  });
  await c.up();
  return c;
}

async function expectFiles(c: Container, files: Files): Promise<void> {
  const pid = await c.pid();
  for (const [file, content] of Object.entries(files)) {
    const found = readControl(pid, controllerOf(file), file);
    if (typeof content === "string") expect(`${file} ${found}`).toBe(`${file} ${content}`);
    else expect(found).toMatch(content);
  }
}

/** `update --resources` with a document, from a file or through stdin. */
async function updateWith(
  c: Container,
  document: object | string,
  through: "file" | "stdin" = "stdin",
): Promise<Result> {
  const file = c.file("resources.json");
  writeFileSync(file, typeof document === "string" ? document : JSON.stringify(document));
  if (through === "file") return await runtime(["update", "--resources", file, c.id]);
  return await runtime(["update", "--resources", "-", c.id], { stdin: file });
}

for (const row of ROWS) {
  const files = V2 ? row.v2 : row.v1;
  if (files === undefined || !Object.keys(files).every((file) => hasController(controllerOf(file)))) continue;
  check(`update ${row.flags.join(" ")} changes that and nothing else`, async (t) => {
    const c = await made(t);
    expect(await c.verb("update", ...row.flags)).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await expectFiles(c, files);
    expect((await c.state()).status).toBe("running");
  });
  check(`update --resources ${JSON.stringify(row.resources)} does the same`, async (t) => {
    const c = await made(t);
    expect(await updateWith(c, row.resources ?? {})).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await expectFiles(c, files);
  });
}

given(lacksController("memory", "cpu", "pids"), () => {
  const UNCHANGED: Files = V2
    ? { [MEMORY]: `${64 * MB}`, [SWAP]: `${32 * MB}`, "cpu.max": "50000 100000", "pids.max": "20" }
    : {
        [MEMORY]: `${64 * MB}`,
        [SWAP]: `${96 * MB}`,
        "cpu.shares": "100",
        "cpu.cfs_quota_us": "50000",
        "pids.max": "20",
      };

  check("update --resources reads a file, and zeros leave what is", async (t) => {
    const c = await made(t);
    const document = {
      memory: { limit: 0, reservation: 0, swap: 0 },
      cpu: { shares: 0, quota: 0, period: 0, realtimeRuntime: 0, realtimePeriod: 0, cpus: "", mems: "" },
      blockIO: { weight: 0 },
      pids: { limit: 20 },
    };
    expect(await updateWith(c, document, "file")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await expectFiles(c, UNCHANGED);
  });

  check("update with --resources takes no notice of other flags", async (t) => {
    const c = await made(t);
    const file = c.file("resources.json");
    writeFileSync(file, `{"pids":{"limit":33}}`);
    expect((await c.verb("update", `--resources=${file}`, "--memory=16M")).code).toBe(0);
    await expectFiles(c, { [MEMORY]: `${64 * MB}`, "pids.max": "33" });
  });

  check("update without anything to do succeeds", async (t) => {
    const c = await made(t);
    expect(await c.verb("update")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await expectFiles(c, { ...UNCHANGED, "pids.max": /^(20|max)$/ });
  });

  check("update of kernel memory warns and changes nothing", async (t) => {
    const c = await made(t);
    const result = await updateWith(c, { memory: { kernel: 16 * MB }, pids: { limit: 21 } });
    expect(result.code).toBe(0);
    expect(result.stderr).toMatch(/ernel memory settings are ignored/);
    await expectFiles(c, { ...UNCHANGED, "pids.max": "21" });
  });

  for (const [what, flag] of [
    ["a size that is none", "--memory=lots"],
    ["a negative size", "--memory=-2"],
    ["a quota that is no number", "--cpu-quota=half"],
    ["a quota below the kernel's least", "--cpu-quota=500"],
    ["a period below the kernel's least", "--cpu-period=10"],
    ["a negative period", "--cpu-period=-1000"],
    ["shares below the kernel's least", "--cpu-share=1"],
    ["a pids limit that is no number", "--pids-limit=many"],
    ["cpus that do not exist", "--cpuset-cpus=4000"],
    ["a cache schema where there is no RDT", "--l3-cache-schema=L3:0=f"],
    ["a bandwidth schema where there is no RDT", "--mem-bw-schema=MB:0=20"],
  ] as const) {
    if (V2 && flag === "--cpu-share=1") continue; // converted to the least weight
    if (flag.startsWith("--cpuset") && !hasController("cpuset")) continue;
    check(`update refuses ${what} and changes nothing`, async (t) => {
      const c = await made(t);
      const refused = await c.verb("update", flag);
      expect(refused.code).toBe(1);
      expect(refused.stderr).not.toBe("");
      await expectFiles(c, UNCHANGED);
      expect((await c.state()).status).toBe("running");
    });
  }

  for (const [what, document] of [
    ["no JSON", `{"memory":`],
    ["a limit of the wrong type", { memory: { limit: "64M" } }],
    ["an array", []],
  ] as const)
    check(`update --resources refuses ${what}`, async (t) => {
      const c = await made(t);
      expect((await updateWith(c, document)).code).toBe(1);
      await expectFiles(c, UNCHANGED);
    });

  checkTsrunc("an update of which one part fails is taken back whole", async (t) => {
    const c = await made(t);
    const document = {
      memory: { limit: 80 * MB, swap: 200 * MB },
      cpu: { shares: 300, cpus: "4000" },
      pids: { limit: 7 },
    };
    const refused = await updateWith(c, document);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("/cpu/cpus");
    await expectFiles(c, UNCHANGED);
  });

  check("update of a created and of a paused container works, and it stays so", async (t) => {
    const c = t.container();
    await c.create();
    expect((await c.verb("update", "--pids-limit=41")).code).toBe(0);
    await expectFiles(c, { "pids.max": "41" });
    expect((await c.verb("pause")).code).toBe(0);
    expect((await c.verb("update", "--pids-limit=42")).code).toBe(0);
    await expectFiles(c, { "pids.max": "42" });
    expect((await c.state()).status).toBe("paused");
  });

  check("many updates at once end with the values of one of them", async (t) => {
    const c = await made(t);
    const limits = [100, 110, 120, 130, 140, 150].map((n) => n * MB);
    const results = await Promise.all(
      limits.map((limit) => c.verb("update", `--memory=${limit}`, `--memory-swap=${limit + MB}`)),
    );
    const pid = await c.pid();
    const limit = Number(readControl(pid, "memory", MEMORY));
    expect(results.some(({ code }) => code === 0)).toBe(true);
    expect(limits).toContain(limit);
  });
});

given(lacksAny(lacksCgroup(1), lacksController("memory")), () => {
  check("a memory limit below what is used is refused on cgroup v1", async (t) => {
    const c = await made(t);
    const { code, stderr } = await c.verb("update", "--memory=4K");
    expect(code).toBe(1);
    expect(stderr).toMatch(/current usage: [1-9]\d*, peak usage: [1-9]\d*/);
    await expectFiles(c, { [MEMORY]: `${64 * MB}` });
    expect((await c.state()).status).toBe("running");
  });
});

given(lacksAny(lacksCgroup(1), lacksController("devices")), () => {
  check("update leaves the device rules alone, also those that others have made", async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = { devices: [{ allow: false, access: "rwm" }] };
    });
    await c.up();
    const directory = cgroupDirectory(await c.pid(), "devices");
    writeFileSync(path.join(directory, "devices.allow"), "c 10:200 rw");
    const before = readFileSync(path.join(directory, "devices.list"), "utf8");
    expect(before).toContain("c 10:200 rw");
    expect((await updateWith(c, { devices: [{ allow: true, access: "rwm" }], pids: { limit: 50 } })).code).toBe(0);
    expect(readFileSync(path.join(directory, "devices.list"), "utf8")).toBe(before);
  });
});

given(lacksCgroup(2), () => {
  check("update refuses realtime limits on cgroup v2", async (t) => {
    const c = t.container();
    await c.up();
    expect((await c.verb("update", "--cpu-rt-runtime=1000", "--cpu-rt-period=100000")).code).toBe(1);
  });
});

check("update of a stopped and of an unknown container is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  const refused = await c.verb("update", "--pids-limit=5");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("container not running");
  expect((await runtime(["update", "--pids-limit", "5", "unknown"])).stderr).toContain("does not exist");
});

given(lacksController("memory"), () => {
  check("checkBeforeUpdate: a memory limit below what is used is refused and changes nothing", async (t) => {
    const c = await made(t);
    const result = await updateWith(c, { memory: { limit: 16_384, checkBeforeUpdate: true } });
    expect(result.code).not.toBe(0);
    await expectFiles(c, { [MEMORY]: `${64 * MB}` });
    expect((await c.state()).status).toBe("running");
  });
});
