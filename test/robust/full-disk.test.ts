/**
 * No verb on a container that exists needs a disk, so that nothing is lost when one is full, read-only or missing. The
 * places are mounted in a mount namespace of the test's own. Root only.
 */
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import path from "node:path";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import type { Result } from "../../conformance/lib/runtime.ts";
import { workspace } from "../../conformance/lib/workspace.ts";
import { type Elsewhere, elsewhere } from "./lib/elsewhere.ts";
import { endingSteps, harmlessSteps, makeContainers, removingSteps, waitForEnds, walk } from "./lib/walk.ts";

area();

/** A place whose `--root` is a small file system. */
async function smallRoot(t: Scope, options: string, directory = "/mnt"): Promise<Elsewhere> {
  const at = await elsewhere(t, `mount -t tmpfs -o ${options} small ${directory}`);
  at.root = path.join(directory, "state");
  return at;
}

const FILL_SPACE = "dd if=/dev/zero of=/mnt/fill bs=4k 2>/dev/null || true; ! echo more >/mnt/more";
const FILL_INODES = "i=0; while touch /mnt/fill$i 2>/dev/null; do i=$((i+1)); done; ! touch /mnt/more 2>/dev/null";

for (const [what, options, fill] of [
  ["full", "size=400k", FILL_SPACE],
  ["out of inodes", "size=4m,nr_inodes=100", FILL_INODES],
] as const)
  check(`all verbs work where the state directory is ${what}`, async (t) => {
    const at = await smallRoot(t, options);
    const made = await makeContainers(t, at);
    at.sh(fill);
    expect(await walk(harmlessSteps(at, made))).toEqual([]);
    const late = await at.create(t.container());
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining("(ENOSPC)")]);
    expect(await walk(endingSteps(at, made))).toEqual([]);
    await waitForEnds(at, made);
    expect(await walk(removingSteps(at, made))).toEqual([]);
    expect(at.sh("ls /mnt/state").replaceAll("seccomp~cache\n", "")).toBe("");
  });

check("all verbs but delete work where the state directory is read-only, and delete says what remains", async (t) => {
  const at = await smallRoot(t, "size=4m");
  const made = await makeContainers(t, at);
  at.sh("mount -o remount,ro /mnt");
  expect(await walk(harmlessSteps(at, made))).toEqual([]);
  expect(await walk(endingSteps(at, made))).toEqual([]);
  await waitForEnds(at, made);
  const told = (_: string, { code, stderr }: Result) =>
    code === 1 && stderr.includes("/mnt/state/") && stderr.includes("(EROFS)") ? undefined : `${code}: ${stderr}`;
  expect(await walk(removingSteps(at, made), told)).toEqual([]);
  for (const c of [made.created, ...Object.values(made.doomed)]) expect(await at.status(c)).toBe("stopped");
  at.sh("mount -o remount,rw /mnt");
  expect(await walk(removingSteps(at, made))).toEqual([]);
  expect(at.sh("ls /mnt/state")).toBe("");
});

check("all verbs work where /run is full", async (t) => {
  const at = await smallRoot(t, "size=400k", "/run");
  at.root = "/run/tsrunc";
  const made = await makeContainers(t, at);
  at.sh(FILL_SPACE.replaceAll("/mnt", "/run"));
  expect(await walk(harmlessSteps(at, made))).toEqual([]);
  expect(await walk(endingSteps(at, made))).toEqual([]);
  await waitForEnds(at, made);
  expect(await walk(removingSteps(at, made))).toEqual([]);
});

/** The test's own files may be in /tmp: they are to be had in another place. */
const MOVE = `mount -t tmpfs small /mnt; mkdir /mnt/w /mnt/run; mount --bind ${workspace()} /mnt/w`;

for (const [what, script] of [
  ["full", "for d in /tmp /dev/shm /var/tmp; do mount -t tmpfs -o size=4k,nr_inodes=2 small $d; : >$d/fill; done"],
  ["read-only", "for d in /tmp /dev/shm /var/tmp; do mount -t tmpfs -o ro small $d; done"],
  ["not there", "mount -t tmpfs small /var; mount -t tmpfs small /dev/shm; mount -t tmpfs -o mode=0 small /tmp"],
] as const)
  check(`containers are made and removed where /tmp and /dev/shm are ${what}`, async (t) => {
    const at = await elsewhere(t, `${MOVE}; ${script}`);
    at.root = "/mnt/run";
    const output = (c: { id: string }): string => `/mnt/w/${c.id}.out`;
    const c = t.container();
    c.save();
    const bundle = c.bundle.replace(workspace(), "/mnt/w");
    expect(existsSync(c.bundle)).toBe(true);
    c.spec.process.args = ["/bin/sleep", "1000"];
    c.save();
    const moved = { stdout: path.join(workspace(), path.basename(output(c))) };
    expect(await at.call(["create", "--bundle", bundle, c.id], moved)).toMatchObject({ code: 0, stderr: "" });
    expect(await at.verb("start", c)).toMatchObject({ code: 0, stderr: "" });
    expect(await at.verb("exec", c, "/bin/true")).toMatchObject({ code: 0, stderr: "" });
    expect(await at.verb("ps", c)).toMatchObject({ code: 0, stderr: "" });
    expect(await at.verb("events", c, "--stats")).toMatchObject({ code: 0, stderr: "" });
    expect(await at.verb("delete", c, "--force")).toMatchObject({ code: 0, stderr: "" });
  });
