/**
 * A host whose cgroup controllers are missing, unmounted, hidden or read-only, one after the other: containers that were
 * made before can be used and always removed, new ones need only what they ask for. Root only, cgroup v1.
 */
import { expect, setDefaultTimeout } from "bun:test";
import * as fs from "node:fs";
import path from "node:path";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { cgroupVersion } from "../../conformance/lib/host.ts";
import { cgroupMounts } from "../../conformance/lib/leaks.ts";
import { directoriesBelow } from "../../conformance/lib/proc.ts";
import { type Result, until } from "../../conformance/lib/runtime.ts";
import { dropNamespace } from "../../conformance/lib/spec.ts";
import { elsewhere } from "./lib/elsewhere.ts";
import {
  endingSteps,
  expectSuccess,
  harmlessSteps,
  type Judge,
  makeContainers,
  removingSteps,
  waitForEnds,
  walk,
  wordsProblem,
} from "./lib/walk.ts";

area();
setDefaultTimeout(180_000);

interface Hierarchy {
  readonly name: string;
  readonly target: string;
}

/** Each hierarchy of this host by the name of its first controller; `unified` is cgroup2 beside v1. */
function hierarchies(): readonly Hierarchy[] {
  return cgroupMounts().map(({ target, type, controllers }) => ({
    name: type === "cgroup2" ? "unified" : nameOf(target, controllers),
    target,
  }));
}

/** Also of `name=systemd`, and of one that is mounted as `cpu,cpuacct`. */
function nameOf(target: string, controllers: readonly string[]): string {
  const found = controllers.find((name) => path.basename(target).includes(name.replace("name=", "")));
  return found?.replace("name=", "") ?? target;
}

const WAYS = {
  unmounted: (at: string) => `umount ${at}`,
  hidden: (at: string) => `mount -t tmpfs hidden ${at}`,
  "read-only": (at: string) => `mount -o remount,bind,ro ${at}`,
} as const;
type Way = keyof typeof WAYS;

/** Removes in the end the cgroups that nobody could remove in a place where they could not be seen. */
function removeCgroups(t: Scope): Container[] {
  const containers: Container[] = [];
  const remove = (directory: string): boolean => {
    try {
      fs.rmdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
    }
    return true;
  };
  t.cleanup(async () => {
    for (const { target } of cgroupMounts())
      for (const directory of directoriesBelow(target).toReversed())
        if (containers.some(({ id }) => directory.includes(id))) await until("its end", () => remove(directory));
  });
  return containers;
}

/**
 * Without any cgroup to look into nobody knows the others of a container that shares the host's pid namespace: the test
 * kills them.
 */
function killMembers({ id }: Container): void {
  for (const { target } of cgroupMounts())
    for (const directory of directoriesBelow(target).filter((name) => name.includes(id)))
      for (const pid of fs.readFileSync(path.join(directory, "cgroup.procs"), "utf8").split("\n"))
        if (pid !== "") process.kill(Number(pid), "SIGKILL");
}

/** What may fail where a hierarchy is not as it was, and what has to be said then. */
function excuse({ name }: Hierarchy, way: Way, step: string): RegExp | undefined {
  const denied = way === "read-only" ? /\(EROFS\)/ : /\(ENOENT\)|not (mounted|there)/;
  if (step === "update" && name === "pids") return new RegExp(`pids.*(${denied.source})`);
  if ((step === "pause" || step === "resume") && name === "freezer") return /freezer|not paused/;
  // A process that enters must not go without what confines the others.
  if (step.startsWith("exec") && way === "read-only") return new RegExp(`${name}.*EROFS|EROFS`);
  return undefined;
}

function judge(hierarchy: Hierarchy, way: Way): Judge {
  return (step, result) => {
    const excused = excuse(hierarchy, way, step);
    if (excused !== undefined && result.code !== 0) {
      return excused.test(result.stderr) ? wordsProblem(result) : `${result.code}: ${result.stderr}`;
    }
    // What cannot be removed there is told, and is no failure.
    const left = way === "read-only" && step.startsWith("delete") && result.code === 0;
    return left && warnsOnly(result) ? undefined : expectSuccess(step, result);
  };
}

/** Limits and the freezer cannot be had without their files. */
const lenient: Judge = (step, result) =>
  /^(update|pause|resume)/.test(step) && result.code !== 0 ? wordsProblem(result) : expectSuccess(step, result);

function warnsOnly({ stderr }: Result): boolean {
  return stderr.split("\n").every((line) => line === "" || /level=warning.*cgroup.*\(EROFS\)/.test(line));
}

if (cgroupVersion() === 1) {
  for (const way of Object.keys(WAYS) as Way[])
    for (const hierarchy of hierarchies())
      check(`containers can be used and removed with \`${hierarchy.name}\` ${way} since`, async (t) => {
        const at = await elsewhere(t, ":");
        const unseen = removeCgroups(t);
        const made = await makeContainers(t, at);
        unseen.push(made.running, made.created, ...Object.values(made.doomed));
        at.sh(WAYS[way](hierarchy.target));
        expect(await walk(harmlessSteps(at, made), judge(hierarchy, way))).toEqual([]);
        expect(await walk(endingSteps(at, made), judge(hierarchy, way))).toEqual([]);
        await waitForEnds(at, made);
        expect(await walk(removingSteps(at, made), judge(hierarchy, way))).toEqual([]);
        const ids = [made.running, made.created, ...Object.values(made.doomed)].map(({ id }) => id);
        expect((await at.call(["list", "--quiet"])).stdout.split("\n").filter((id) => ids.includes(id))).toEqual([]);
      });

  const LIMITS: Readonly<Record<string, Record<string, unknown>>> = {
    cpu: { cpu: { shares: 512 } },
    cpuset: { cpu: { cpus: "0" } },
    memory: { memory: { limit: 64 << 20 } },
    pids: { pids: { limit: 50 } },
    blkio: { blockIO: { weight: 100 } },
  };

  for (const hierarchy of hierarchies())
    check(`a new container needs \`${hierarchy.name}\` only for what it asks for`, async (t) => {
      const at = await elsewhere(t, `umount ${hierarchy.target}`);
      const plain = t.container((spec) => {
        spec.process.args = ["/bin/sleep", "1000"];
      });
      t.cleanup(async () => void (await at.verb("delete", plain, "--force")));
      const created = await at.create(plain);
      if (hierarchy.name === "devices" && !hierarchies().some(({ name }) => name === "unified")) {
        // As with runc: what a container may do with devices is never left open.
        expect([created.code, created.stderr]).toEqual([1, expect.stringContaining("`devices` is not mounted")]);
        return;
      }
      expect([created.code, created.stderr]).toEqual([0, ""]);
      expect(await at.verb("start", plain)).toMatchObject({ code: 0 });
      expect(await at.verb("exec", plain, "/bin/true")).toMatchObject({ code: 0 });
      expect(await at.verb("kill", plain, "--all", "URG")).toMatchObject({ code: 0 });
      expect(await at.verb("events", plain, "--stats")).toMatchObject({ code: 0 });
      expect(await at.verb("ps", plain)).toMatchObject({ code: 0 });
      const pause = await at.verb("pause", plain);
      if (hierarchy.name === "freezer") expect(pause.stderr).toContain("`freezer`");
      else expect(pause.code).toBe(0);
      expect(await at.verb("delete", plain, "--force")).toMatchObject({ code: 0, stderr: "" });

      const resources = LIMITS[hierarchy.name];
      if (resources === undefined) return;
      const limited = t.container((spec) => {
        spec.linux.resources = { ...spec.linux.resources, ...resources };
      });
      const { code, stderr } = await at.create(limited);
      expect([code, stderr]).toEqual([1, expect.stringContaining(`\`${hierarchy.name}\` is not mounted`)]);
    });

  check("nothing escapes delete --force without a freezer, however quickly it forks", async (t) => {
    const freezer = hierarchies().find(({ name }) => name === "freezer");
    const at = await elsewhere(t, freezer === undefined ? ":" : `umount ${freezer.target}`);
    for (const verb of ["delete", "kill"] as const) {
      const script = "while :; do (while :; do (sleep 1000 &); done) & sleep 0.01; done";
      const c = t.container((spec) => {
        dropNamespace(spec, "pid");
        spec.process.args = ["/bin/sh", "-c", script];
        spec.linux.resources = { ...spec.linux.resources, pids: { limit: 300 } };
      });
      t.cleanup(async () => void (await at.verb("delete", c, "--force")));
      expect(await at.create(c)).toMatchObject({ code: 0 });
      expect(await at.verb("start", c)).toMatchObject({ code: 0 });
      if (verb === "kill") {
        expect(await at.verb("kill", c, "KILL")).toMatchObject({ code: 0 });
        await at.waitFor(c, "stopped");
      }
      expect(await at.verb("delete", c, ...(verb === "kill" ? [] : ["--force"]))).toMatchObject({
        code: 0,
        stderr: "",
      });
    }
  });

  for (const [what, script] of [
    ["only the hierarchy of systemd", (all: readonly Hierarchy[]) => all.filter(({ name }) => name !== "systemd")],
    ["none", (all: readonly Hierarchy[]) => all],
  ] as const)
    check(`containers can be used and removed when of all hierarchies there is ${what} left`, async (t) => {
      const at = await elsewhere(t, ":");
      const unseen = removeCgroups(t);
      const made = await makeContainers(t, at);
      unseen.push(made.running, made.created, ...Object.values(made.doomed));
      at.sh(
        script(hierarchies())
          .map(({ target }) => WAYS.unmounted(target))
          .join("; "),
      );
      expect(await walk(harmlessSteps(at, made), lenient)).toEqual([]);
      if (what === "none") killMembers(made.doomed.shared);
      expect(
        await walk(endingSteps(at, made), (step, result) =>
          what === "none" && step.includes("shared") ? undefined : lenient(step, result),
        ),
      ).toEqual([]);
      await waitForEnds(at, made);
      expect(await walk(removingSteps(at, made), lenient)).toEqual([]);
    });
}

if (cgroupVersion() === 2)
  for (const way of Object.keys(WAYS) as Way[])
    check(`containers can be used and removed with cgroup2 ${way} since`, async (t) => {
      const at = await elsewhere(t, ":");
      const unseen = removeCgroups(t);
      const made = await makeContainers(t, at);
      unseen.push(made.running, made.created, ...Object.values(made.doomed));
      at.sh(WAYS[way](cgroupMounts()[0]?.target ?? ""));
      const told: Judge = (step, result) =>
        way === "read-only" && result.code === 0 && warnsOnly(result) ? undefined : lenient(step, result);
      expect(await walk(harmlessSteps(at, made), told)).toEqual([]);
      if (way !== "read-only") killMembers(made.doomed.shared);
      expect(
        await walk(endingSteps(at, made), (step, result) => (step.includes("shared") ? undefined : told(step, result))),
      ).toEqual([]);
      await waitForEnds(at, made);
      expect(await walk(removingSteps(at, made), told)).toEqual([]);
    });
