/** The state's JSON (runtime.md, "State"; schema/state-schema.json). */
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";

area();

const STATUSES = ["creating", "created", "running", "stopped"];

function expectSchema(state: Record<string, unknown>): void {
  expect(state.ociVersion).toMatch(/^\d+\.\d+\.\d+/);
  expect(typeof state.id).toBe("string");
  expect(STATUSES).toContain(state.status);
  expect(state.bundle).toMatch(/^\//);
  if (state.status !== "stopped") expect(Number.isInteger(state.pid) && Number(state.pid) > 0).toBe(true);
  if (state.pid !== undefined) expect(Number.isInteger(state.pid)).toBe(true);
  for (const value of Object.values(state.annotations ?? {})) expect(typeof value).toBe("string");
}

for (const annotated of [false, true])
  check(`the state follows the schema, ${annotated ? "with" : "without"} annotations`, async (t) => {
    const c = t.container((spec) => {
      if (annotated) spec.annotations = { "org.example.a": "1", "org.example.b": "" };
    });
    const state = async () => JSON.parse((await c.verb("state")).stdout) as Record<string, unknown>;
    c.spec.process.args = ["/bin/probe", "wait"];
    await c.create();
    expectSchema(await state());
    await c.start();
    await c.waitForOutput("ready");
    expectSchema(await state());
    await c.verb("kill", "KILL");
    await c.waitForStatus("stopped");
    expectSchema(await state());
    await c.delete();
  });
