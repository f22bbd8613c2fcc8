import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { claimContainer } from "../../src/container/claim.ts";
import { isAlive, readProcess, self } from "../../src/container/proc.ts";
import type { StateRecord } from "../../src/container/record.ts";
import * as store from "../../src/container/store.ts";
import { PID, START } from "../../src/program/ops.ts";

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-store-"));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

function record(changes: Partial<StateRecord> = {}): StateRecord {
  return {
    pid: 0,
    startTime: 0,
    ociVersion: "1.3.0",
    id: "box",
    bundle: "/b",
    rootfs: "/b/rootfs",
    created: "2026-11-21T01:32:08.123Z",
    owner: "root",
    ...changes,
  };
}

/** A process reference that is certain to be dead: our pid with another start time. */
const DEAD = { pid: process.pid, startTime: 1 };

function claim(changes: Partial<StateRecord> = {}, stale?: StateRecord): string {
  return claimContainer({ root, record: record(changes), config: '{"a":1}', stale });
}

describe("ids", () => {
  for (const id of ["a", "A.b-c_d+1", "...", "-", "x".repeat(1024)]) {
    test(`${id.slice(0, 20)} is valid`, () => {
      expect(store.isValidId(id)).toBe(true);
    });
  }
  for (const id of ["", ".", "..", "a/b", "../x", "a b", "ä", "a\n", "a~", "x".repeat(1025)]) {
    test(`${JSON.stringify(id.slice(0, 20))} is refused`, () => {
      expect(() => store.validateId(id)).toThrow("invalid container id");
    });
  }
});

describe("loading", () => {
  test("what was saved comes back, and the config's text", () => {
    claim();
    const saved = record({ pid: 7, startTime: 9, annotations: { a: "b" } });
    store.saveState(root, saved);
    expect(store.loadState(root, "box")).toEqual(saved);
    expect(store.loadConfigText(root, "box")).toBe('{"a":1}');
    expect(fs.readdirSync(path.join(root, "box")).sort()).toEqual(["config.json", "state.json"]);
  });

  test("an unknown id, also one too long for a file name, does not exist", () => {
    expect(() => store.loadState(root, "box")).toThrow("container does not exist: `box`");
    expect(() => store.loadState(root, "x".repeat(1000))).toThrow("container does not exist");
    expect(() => store.loadState(path.join(root, "none"), "box")).toThrow("container does not exist");
  });

  for (const text of [
    "",
    "{",
    "null",
    "[]",
    '{"id":"other","pid":1,"startTime":1,"bundle":"/"}',
    '{"id":"box","pid":"1"}',
  ]) {
    test(`a state.json that is ${text || "empty"} is no container, and the way out is said`, () => {
      fs.mkdirSync(path.join(root, "box"));
      fs.writeFileSync(path.join(root, "box", "state.json"), text);
      expect(() => store.loadState(root, "box")).toThrow("has no valid state");
    });
  }
});

test("the template holds tsrunc-init's markers where the numbers go, and nowhere else", () => {
  const annotations = { x: `"pid":0,"startTime":0 ${PID}` };
  const text = store.stateTemplate(record({ pid: 5, startTime: 6, annotations }));
  expect(text.split(PID)).toHaveLength(2);
  const filled = text.replace(PID, "123").replace(START, "456");
  expect(JSON.parse(filled)).toEqual({ ...record({ annotations }), pid: 123, startTime: 456 });
});

describe("claiming an id", () => {
  test("makes root and directory for their owner only, with nothing else beside", () => {
    root = path.join(root, "deep");
    expect(claim()).toBe(path.join(root, "box"));
    expect(fs.statSync(root).mode & 0o777).toBe(0o700);
    expect(fs.statSync(path.join(root, "box")).mode & 0o077).toBe(0);
    expect(fs.readdirSync(root)).toEqual(["box"]);
    root = path.dirname(root);
  });

  test("is refused for a container, and for one that is just being created", () => {
    claim({ creator: self() });
    expect(() => claim()).toThrow("container with given ID already exists: `box`");
    store.saveState(root, record({ ...DEAD }));
    expect(() => claim()).toThrow("already exists");
    expect(fs.readdirSync(root)).toEqual(["box"]);
  });

  test("takes over what a dead create left, if the caller knows of it", () => {
    const stale = { creator: DEAD, bundle: "/old" };
    claim(stale);
    expect(() => claim({ bundle: "/new" })).toThrow("already exists");
    expect(() => claim({ bundle: "/new" }, record({ ...stale, bundle: "/older" }))).toThrow("already exists");
    expect(store.loadState(root, "box").bundle).toBe("/old");
    claim({ bundle: "/new" }, record(stale));
    expect(store.loadState(root, "box").bundle).toBe("/new");
    expect(fs.readdirSync(root)).toEqual(["box"]);
  });

  test("takes over an empty directory and one with an empty state", () => {
    fs.mkdirSync(path.join(root, "box"));
    claim();
    fs.writeFileSync(path.join(root, "box", "state.json"), "");
    claim({ bundle: "/new" });
    expect(store.loadState(root, "box").bundle).toBe("/new");
  });

  test("is refused for a damaged state: nobody knows whether that container runs", () => {
    claim();
    fs.writeFileSync(path.join(root, "box", "state.json"), "{");
    expect(() => claim({ bundle: "/new" })).toThrow("already exists: `box`: container `box`");
  });

  test("never touches a directory with files that are not ours", () => {
    fs.mkdirSync(path.join(root, "box"));
    fs.writeFileSync(path.join(root, "box", "sshd_config"), "");
    expect(() => claim()).toThrow("it holds `sshd_config`");
    expect(() => store.removeContainer(root, "box")).toThrow("it holds `sshd_config`");
    expect(fs.readdirSync(path.join(root, "box"))).toEqual(["sshd_config"]);
    expect(fs.readdirSync(root)).toEqual(["box"]);
  });

  test("names a root that cannot be made", () => {
    expect(() => claimContainer({ root: "/proc/none", record: record(), config: "" })).toThrow(
      "create root directory `/proc/none`: no such file or directory (ENOENT)",
    );
  });
});

test("removing: ours, also without a valid state; what is not there is no error", () => {
  claim();
  store.removeContainer(root, "box");
  store.removeContainer(root, "box");
  claim();
  fs.writeFileSync(path.join(root, "box", "state.json~12"), "half");
  fs.writeFileSync(path.join(root, "box", "state.json"), "");
  store.removeContainer(root, "box");
  expect(fs.readdirSync(root)).toEqual([]);
});

test("sweeping removes what dead creates left, and leaves living ones alone", () => {
  fs.mkdirSync(path.join(root, "~4194304.abc"));
  fs.mkdirSync(path.join(root, `~${process.pid}.abc`));
  claim();
  store.sweepRoot(root);
  expect(fs.readdirSync(root).sort()).toEqual(["box", `~${process.pid}.abc`]);
  expect(store.containerIds(root)).toEqual(["box"]);
});

test("processes are told apart by start time", () => {
  expect(isAlive(self())).toBe(true);
  expect(isAlive(DEAD)).toBe(false);
  expect(isAlive({ pid: 0, startTime: 0 })).toBe(false);
  expect(readProcess(4194304)).toBeUndefined();
});
