/** Large inputs: what is many or long costs in proportion, and breaks nothing. */
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import type { Process } from "./lib/spec.ts";
import { stateRoot } from "./lib/workspace.ts";

area();

/** An environment of so many bytes, in variables that are no longer than a kernel takes. */
function environment(bytes: number): string[] {
  return Array.from({ length: bytes / 1000 }, (_, i) => `VARIABLE_${i}=`.padEnd(1000, "x"));
}

function enlarge(process: Process, bytes: number): void {
  process.env = [...process.env, ...environment(bytes)];
}

// Around the sizes at which an allocator does something else.
for (const bytes of [100_000, 250_000, 430_000, 500_000, 1_000_000, 1_900_000]) {
  check(`with ${bytes} bytes of environment a container is created with --debug, and runs`, async (t) => {
    const c = t.container((spec) => enlarge(spec.process, bytes));
    c.spec.process.args = ["/bin/sh", "-c", `echo "$\{#VARIABLE_${bytes / 1000 - 1}}"`];
    const { code, signal } = await c.tryCreate({ global: ["--root", stateRoot(), "--debug"] });
    expect([code, signal]).toEqual([0, null]);
    await c.start();
    const length = 1000 - `VARIABLE_${bytes / 1000 - 1}=`.length;
    expect(await c.waitForOutput("\n")).toBe(`${length}\n`);
  });

  check(`with ${bytes} bytes of environment a program that is not there is still an error of one line`, async (t) => {
    const c = t.container((spec) => enlarge(spec.process, bytes));
    c.spec.process.args = ["/bin/nonexistent"];
    const { code, stderr } = await c.run();
    expect([code, stderr.trimEnd().split("\n").length]).toEqual([1, 1]);
    expect(stderr).toContain("/bin/nonexistent");
    expect(await t.leftNow()).toEqual([]);
  });
}
