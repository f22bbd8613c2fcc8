/** Every verb of the library, under both hosts. Needs root and `npm run build`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { HOSTS, makeBase, makeBundle, removeBase, runScript } from "./lib/hosts.ts";

const MB = 1 << 20;
let base = "";

beforeAll(() => {
  base = makeBase();
  const writable = { root: { path: "rootfs", readonly: false } };
  makeBundle(base, "sleeps", "while :; do sleep 1; done", () => writable);
  makeBundle(base, "exits", "exit 3");
  makeBundle(base, "says", "echo out; echo err >&2");
  makeBundle(base, "keeps", "echo kept >&3");
  makeBundle(base, "hungry", "exec dd if=/dev/zero of=/dev/null bs=200M count=1", (spec) => ({
    linux: { ...spec.linux, resources: { memory: { limit: 16 * MB, swap: 16 * MB } } },
  }));
});

afterAll(() => removeBase(base));

for (const [name, host] of HOSTS) {
  test(`all verbs under ${name}`, () => {
    expect(runScript(host, "verbs.mjs", base, join(base, `root-${name}`))).toEqual({
      paused: "paused",
      pausedTwice: "state",
      execPaused: "state",
      resumed: "running",
      updated: ["77"],
      updateWrong: "config",
      keptAfterWrong: "77",
      stats: [77, 50 * MB, true, true],
      ps: [true, true],
      table: [["PID", "COMMAND"], true, true, false],
      exec: 5,
      spawned: 9,
      execObject: 6,
      execWrong: "config",
      execSignal: 137,
      events: [
        ["stats", true, 77],
        ["stats", true, 77],
      ],
      eventsWrong: "usage",
      listed: [[true, "running"]],
      deleteRunning: "state",
      waited: [137, 137, "unknown"],
      eventsEnd: { done: true },
      waitedAfter: [137, "unknown"],
      eventsStopped: "state",
      statsStopped: "state",
      waitDeleted: "not-found",
      mixed: 3,
      foreign: "unknown",
      detached: [0, 3],
      kept: [3, "stopped"],
      output: [0, ["out", "err"]],
      preserved: [0, "unknown", true, ["kept", "more"]],
      badDescriptor: "an error",
      oom: ["oom", "oom", "oom"],
      features: true,
      closed: "io",
      left: 0,
    });
  }, 120_000);
}
