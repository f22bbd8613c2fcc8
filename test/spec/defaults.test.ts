import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSpec, rootlessSpec } from "../../src/spec/defaults.ts";
import { parseSpec } from "../../src/spec/load.ts";
import type { Spec } from "../../src/spec/types.ts";

/** What `runc spec` writes on this machine. */
function runcSpec(...flags: string[]): string {
  const bundle = mkdtempSync(join(tmpdir(), "tsrunc-spec-"));
  try {
    execFileSync("runc", ["spec", "--bundle", bundle, ...flags]);
    return readFileSync(join(bundle, "config.json"), "utf8");
  } finally {
    rmSync(bundle, { recursive: true });
  }
}

/** runc's with what differs on purpose: name, version, and `ambient`, which newer runc leaves out too. */
function expected(text: string): Spec {
  const spec = JSON.parse(text) as Record<string, unknown> & { process: { capabilities: Record<string, unknown> } };
  delete spec.process.capabilities.ambient;
  return { ...spec, ociVersion: "1.3.0", hostname: "tsrunc" } as unknown as Spec;
}

test("the default spec is runc's, fields in the same order", () => {
  const text = runcSpec();
  const hasCgroupNamespace = text.includes('"cgroup"\n\t\t\t}');
  const ours = defaultSpec({ cgroup2: hasCgroupNamespace });
  expect(JSON.stringify(ours, null, "\t")).toBe(JSON.stringify(expected(text), null, "\t"));
});

test("the rootless spec is runc's, fields in the same order", () => {
  const text = runcSpec("--rootless");
  const ours = rootlessSpec(defaultSpec(), process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
  expect(JSON.stringify(ours, null, "\t")).toBe(JSON.stringify(expected(text), null, "\t"));
});

test("only a cgroup v2 host gets a cgroup namespace", () => {
  const types = (spec: Spec) => spec.linux?.namespaces?.map(({ type }) => type);
  expect(types(defaultSpec())).toEqual(["pid", "network", "ipc", "uts", "mount"]);
  expect(types(defaultSpec({ cgroup2: true }))).toEqual(["pid", "network", "ipc", "uts", "mount", "cgroup"]);
});

test("our specs and runc's are accepted without a warning", () => {
  for (const text of [
    JSON.stringify(defaultSpec()),
    JSON.stringify(rootlessSpec(defaultSpec(), 1000, 1000)),
    runcSpec(),
    runcSpec("--rootless"),
  ]) {
    expect(parseSpec(text, "config.json", { requireProcess: true }).warnings).toEqual([]);
  }
});

test("rootlessSpec maps the caller's ids and is idempotent", () => {
  const once = rootlessSpec(defaultSpec(), 1000, 100);
  expect(once.linux?.uidMappings).toEqual([{ containerID: 0, hostID: 1000, size: 1 }]);
  expect(once.linux?.gidMappings).toEqual([{ containerID: 0, hostID: 100, size: 1 }]);
  expect(rootlessSpec(once, 1000, 100)).toEqual(once);
});
