/** Annotations and properties that a runtime does not know (config.md, "Annotations", "Extensibility"). */
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";

area();

check("an empty key of the annotations is refused", async (t) => {
  const c = t.container((spec) => {
    spec.annotations = { "": "value" };
  });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(await t.leftNow()).toEqual([]);
});

for (const key of ["com.example.unknown", "org.opencontainers.image.unknown", "no-dots", "ä.ö/ü"])
  check(`unknown keys of the annotations do no harm: ${key}`, async (t) => {
    const c = t.container((spec) => {
      spec.annotations = { [key]: "value" };
    });
    c.spec.process.args = ["/bin/true"];
    await c.create();
    expect((await c.state()).annotations).toMatchObject({ [key]: "value" });
    expect((await c.verb("start")).code).toBe(0);
    await c.waitForStatus("stopped");
    await c.delete();
  });

const UNKNOWN = { banana: { a: [1, "two", null], b: { c: true } } };

for (const where of ["the top level", "process", "process.user", "root", "linux", "linux.resources", "a mount"])
  check(`unknown properties in ${where} are ignored`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.resources = {};
      const places: Readonly<Record<string, object>> = {
        "the top level": spec,
        process: spec.process,
        "process.user": spec.process.user,
        root: spec.root,
        linux: spec.linux,
        "linux.resources": spec.linux.resources,
        "a mount": spec.mounts[0] ?? {},
      };
      Object.assign(places[where] ?? {}, UNKNOWN);
    });
    expect((await c.probe("report")).report.cwd).toBe("/");
  });
