/**
 * Root removes what is in a state directory that a user may write to: nothing of the host's goes, whatever links the
 * user plants there and however quickly they are put in the place of directories. Root only.
 */
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import { area, check, type Scope } from "../../conformance/lib/harness.ts";
import { runtime, until } from "../../conformance/lib/runtime.ts";
import { stateRoot, TAG, workspace } from "../../conformance/lib/workspace.ts";

area();

/** A directory of the host's with files in it. */
function canary(t: Scope): { directory: string; whole: () => boolean } {
  const directory = fs.mkdtempSync(path.join(workspace(), "canary-"));
  t.cleanup(() => fs.rmSync(directory, { recursive: true, force: true }));
  for (let i = 0; i < 20; i++) fs.writeFileSync(path.join(directory, `file${i}`), "");
  return { directory, whole: () => fs.readdirSync(directory).length === 20 };
}

/** Lets a directory and a link to the canary change places all the time. */
async function exchange(t: Scope, one: string, other: string): Promise<() => Promise<unknown>> {
  const script = `import ctypes,sys
libc = ctypes.CDLL(None)
print("ready", flush=True)
while True: libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)`;
  const racer = spawn("python3", ["-c", script, one, other], { stdio: ["ignore", "pipe", "inherit"] });
  let ready = false;
  racer.stdout.on("data", () => {
    ready = true;
  });
  const ended = new Promise((resolve) => racer.on("exit", resolve));
  const stop = (): Promise<unknown> => {
    racer.kill("SIGKILL");
    return ended;
  };
  t.cleanup(async () => void (await stop()));
  await until("the racer", () => ready);
  return stop;
}

check("delete removes planted links, and not what they are to", async (t) => {
  const { directory, whole } = canary(t);
  for (const flags of [[], ["--force"]]) {
    const c = t.container();
    await c.create();
    fs.symlinkSync(directory, path.join(c.stateDirectory, "notify"));
    fs.mkdirSync(path.join(c.stateDirectory, "state.json~1"));
    fs.symlinkSync(directory, path.join(c.stateDirectory, "state.json~1/link"));
    await c.delete(...flags);
    expect(fs.existsSync(c.stateDirectory)).toBe(false);
    expect(whole()).toBe(true);
  }
});

check("delete does not follow a link that takes the place of a directory meanwhile", async (t) => {
  const { directory, whole } = canary(t);
  for (let i = 0; i < 15; i++) {
    const c = t.container();
    await c.create();
    const outside = path.join(workspace(), `${c.id}-outside`);
    const inside = path.join(c.stateDirectory, "notify");
    t.cleanup(() => fs.rmSync(outside, { recursive: true, force: true }));
    fs.mkdirSync(inside);
    for (let n = 0; n < 50; n++) fs.writeFileSync(path.join(inside, `file${n}`), "");
    fs.symlinkSync(directory, outside);
    const stop = await exchange(t, inside, outside);
    // It may fail for what changes under its hands; then the next try is to succeed.
    await c.verb("delete", "--force");
    await stop();
    expect(whole()).toBe(true);
    await c.delete("--force");
    fs.rmSync(outside, { recursive: true, force: true });
  }
});

/** Removes a directory in which another process exchanges names all the time, which a try may stumble over. */
function removeInSpite(directory: string): void {
  for (let tries = 0; fs.existsSync(directory) && tries < 1000; tries++) {
    try {
      fs.rmSync(directory, { recursive: true, force: true });
    } catch {
      // tried again
    }
  }
}

check("sweeping follows no link either", async (t) => {
  const { directory, whole } = canary(t);
  const outside = path.join(workspace(), `${TAG}-outside`);
  t.cleanup(() => fs.rmSync(outside, { recursive: true, force: true }));
  fs.symlinkSync(directory, outside);
  for (let i = 0; i < 30; i++) {
    const dead = path.join(stateRoot(), "~4194304.abcdef");
    const inside = path.join(dead, "inside");
    removeInSpite(dead);
    fs.mkdirSync(inside, { recursive: true });
    for (let n = 0; n < 50; n++) fs.writeFileSync(path.join(inside, `file${n}`), "");
    if (i === 0) await exchange(t, inside, outside);
    await runtime(["delete", "--force", `${TAG}-none`]);
    expect(whole()).toBe(true);
  }
  t.cleanup(() => fs.rmSync(path.join(stateRoot(), "~4194304.abcdef"), { recursive: true, force: true }));
});

check("a link in the place of a container's directory is never followed", async (t) => {
  const { directory, whole } = canary(t);
  const link = path.join(stateRoot(), `${TAG}-link`);
  t.cleanup(() => fs.rmSync(link, { force: true }));
  fs.symlinkSync(directory, link);
  const { code, stderr } = await runtime(["delete", "--force", `${TAG}-link`]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("is no directory")]);
  expect(whole()).toBe(true);
});
