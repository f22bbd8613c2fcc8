/** The executables of other architectures, under an emulator of their processors: what they do without a kernel of theirs. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.join(import.meta.dir, "../..");
const OWN = path.join(ROOT, "dist/tsrunc");
/** With the name that seccomp has for it, and e_machine of its ELF header. */
const ARCHITECTURES = {
  aarch64: ["SCMP_ARCH_AARCH64", 183],
  ppc64le: ["SCMP_ARCH_PPC64LE", 21],
  riscv64: ["SCMP_ARCH_RISCV64", 243],
  s390x: ["SCMP_ARCH_S390X", 22],
} as const;

function run(command: readonly string[]): {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const [file = "", ...words] = command;
  return spawnSync(file, words, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 });
}

const bundle = mkdtempSync(path.join(tmpdir(), "tsrunc-starts-"));
mkdirSync(path.join(bundle, "rootfs"));

/** A bundle whose filter looks at an argument of 64 bits. */
beforeAll(() => {
  expect(run([OWN, "spec", "--bundle", bundle]).status).toBe(0);
  const file = path.join(bundle, "config.json");
  const spec = JSON.parse(readFileSync(file, "utf8"));
  const rule = { names: ["read"], action: "SCMP_ACT_ERRNO", args: [{ index: 2, value: 2 ** 40, op: "SCMP_CMP_GE" }] };
  spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] };
  writeFileSync(file, JSON.stringify(spec));
});

/** Without what differs: the filter, and the record of who creates it and when. */
function common(plan: string): string {
  return plan
    .split("\n")
    .filter((line) => !/seccomp|state\.json/.test(line))
    .join("\n");
}

for (const [arch, [name, machine]] of Object.entries(ARCHITECTURES))
  describe(arch, () => {
    const program = path.join(ROOT, "dist", arch, "tsrunc");
    const emulated = [`qemu-${arch}-static`, program];

    test("the executable can be built", () => {
      const { status, stderr } = run(["node", "scripts/build.mjs", "--arch", arch]);
      expect([status, stderr]).toEqual([0, ""]);
      const header = readFileSync(program);
      const big = header[5] === 2;
      expect([header[4], big, big ? header.readUInt16BE(18) : header.readUInt16LE(18)]).toEqual([
        2,
        arch === "s390x",
        machine,
      ]);
      expect(header.length).toBeLessThan(6_500_000);
    }, 300_000);

    test("it starts, and says what it can do", () => {
      expect(run([...emulated, "--version"]).stdout).toBe(run([OWN, "--version"]).stdout);
      const [other, own] = [emulated, [OWN]].map((command) => JSON.parse(run([...command, "features"]).stdout));
      expect(other).toEqual(own);
      expect(other.linux.seccomp.archs).toContain(name);
    });

    test("it plans the same program as this machine's, and a filter of its own", () => {
      const [other, own] = [emulated, [OWN]].map((command) => run([...command, "plan", "--bundle", bundle]));
      expect(other).toMatchObject({ status: 0, stderr: "" });
      expect(common(other?.stdout ?? "")).toBe(common(own?.stdout ?? ""));
      const filter = run([...emulated, "seccomp", "disasm", bundle]);
      expect(filter).toMatchObject({ status: 0, stderr: "" });
      expect(filter.stdout).toContain(`(${name})`);
      expect(filter.stdout).toContain("return ");
    });

    test("errors are told, with what was meant", () => {
      expect(run([...emulated, "strat", "x"]).stderr).toContain("unknown command `strat`; did you mean `start`?");
      expect(run([...emulated, "state", "nobody-has-this"]).stderr).toContain("does not exist");
    });
  });
