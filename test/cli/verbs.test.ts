/** Verbs that need no container. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { claimContainer } from "../../src/container/claim.ts";
import { supportedFeatures } from "../../src/container/features.ts";
import { self } from "../../src/container/proc.ts";
import { validateConfig, validateFeatures, validateState } from "../../src/generated/validate.js";

const MAIN = path.join(import.meta.dir, "../../src/cli/main.ts");
let directory: string;

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-verbs-"));
});
afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

function tsrunc(...args: string[]): { readonly status: number; readonly out: string; readonly err: string } {
  const done = Bun.spawnSync([process.execPath, MAIN, ...args], { cwd: directory });
  return { status: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

function written(bundle: string): Record<string, unknown> & { process: Record<string, unknown> } {
  return JSON.parse(fs.readFileSync(path.join(directory, bundle, "config.json"), "utf8"));
}

describe("spec", () => {
  test("writes a valid config.json in the working directory, silently", () => {
    expect(tsrunc("spec")).toEqual({ status: 0, out: "", err: "" });
    expect(validateConfig(written("."))).toBe(true);
  });

  test("never overwrites", () => {
    fs.mkdirSync(path.join(directory, "taken"));
    fs.writeFileSync(path.join(directory, "taken", "config.json"), "mine");
    const { status, err } = tsrunc("spec", "--bundle", "taken");
    expect(status).toBe(1);
    expect(err).toContain("file `taken/config.json` exists; hint: remove it first");
    expect(fs.readFileSync(path.join(directory, "taken", "config.json"), "utf8")).toBe("mine");
  });

  test("--rootless has a user namespace", () => {
    fs.mkdirSync(path.join(directory, "rootless"));
    tsrunc("spec", "--rootless", "-b", "rootless");
    expect(JSON.stringify(written("rootless"))).toContain('{"type":"user"}');
  });

  test("options for a container now", () => {
    fs.mkdirSync(path.join(directory, "quick"));
    const options = [
      "--rootfs",
      "/r",
      "--hostname",
      "h",
      "--tty=false",
      "--cpus",
      "1.5",
      "--memory",
      "64M",
      "--pids",
      "9",
    ];
    const more = ["--env", "A=b", "--mount", "/src:/dst:ro", "--readonly=false", "--", "/bin/sh", "-c", "exit"];
    expect(tsrunc("spec", "-b", "quick", ...options, ...more)).toEqual({ status: 0, out: "", err: "" });
    const spec = written("quick");
    expect(spec).toMatchObject({
      root: { path: "/r", readonly: false },
      hostname: "h",
      process: { terminal: false, args: ["/bin/sh", "-c", "exit"] },
      linux: { resources: { memory: { limit: 64 << 20 }, cpu: { quota: 150_000 }, pids: { limit: 9 } } },
    });
    expect(spec.process.env).toContain("A=b");
    expect(spec.mounts).toContainEqual({ destination: "/dst", type: "bind", source: "/src", options: ["rbind", "ro"] });
  });

  test("a bad option writes nothing", () => {
    fs.mkdirSync(path.join(directory, "bad"));
    expect(tsrunc("spec", "-b", "bad", "--memory", "lots").status).toBe(1);
    expect(fs.readdirSync(path.join(directory, "bad"))).toEqual([]);
  });
});

describe("features", () => {
  test("is valid by the schema and has every key of features.md", () => {
    const { status, out } = tsrunc("features");
    expect(status).toBe(0);
    const features = JSON.parse(out);
    expect(validateFeatures(features)).toBe(true);
    expect(Object.keys(features)).toEqual(
      "ociVersionMin ociVersionMax hooks mountOptions linux annotations potentiallyUnsafeConfigAnnotations".split(" "),
    );
    expect(Object.keys(features.linux)).toEqual(
      (
        "namespaces capabilities cgroup seccomp apparmor selinux intelRdt memoryPolicy " + "mountExtensions netDevices"
      ).split(" "),
    );
  });

  test("annotations that the runtime obeys are told, since engines pass on only those that do not matter", () => {
    const told = supportedFeatures().potentiallyUnsafeConfigAnnotations ?? [];
    const folder = path.join(import.meta.dir, "../../src");
    const files = fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
    const texts = files.map((name) => fs.readFileSync(path.join(folder, name), "utf8")).join("\n");
    const obeyed = [...texts.matchAll(/"((?:run\.oci|org\.systemd)\.[\w.]*)"/g)].map(([, name = ""]) => name);
    expect([...new Set(obeyed)].sort()).toEqual([...told].sort());
  });

  test("network devices are moved", () => {
    expect(supportedFeatures().linux?.netDevices).toEqual({ enabled: true });
  });

  test("only names flags as supported that are known", () => {
    const seccomp = supportedFeatures().linux?.seccomp;
    expect(seccomp?.knownFlags).toEqual(expect.arrayContaining([...(seccomp?.supportedFlags ?? ["none"])]));
    expect(seccomp?.supportedFlags).toContain("SECCOMP_FILTER_FLAG_LOG");
  });
});

test("state prints indented JSON that is valid by the schema; list prints it in one line", () => {
  const root = path.join(directory, "root");
  const record = {
    ...self(),
    ociVersion: "1.3.0",
    id: "box",
    bundle: "/b",
    rootfs: "/b/rootfs",
    created: "2026-11-21T01:32:08.123Z",
    owner: "root",
  };
  claimContainer({ root, record, config: "{}" });
  const { out } = tsrunc("--root", root, "state", "box");
  expect(out).toStartWith('{\n  "ociVersion": "1.3.0",\n  "id": "box",\n');
  expect(validateState(JSON.parse(out))).toBe(true);
  const line = tsrunc("--root", root, "list", "--format", "json").out;
  expect(line).toBe(`${JSON.stringify([JSON.parse(out)])}\n`);
  expect(tsrunc("--root", root, "list", "-q").out).toBe("box\n");
});

test("completion prints a script under our name", () => {
  expect(tsrunc("completion").out).toContain("complete -F _tsrunc tsrunc");
});
