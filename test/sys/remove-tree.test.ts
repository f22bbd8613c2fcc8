import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { removeTree } from "../../src/sys/remove-tree.ts";

let at: string;
/** What nobody may touch. */
let kept: string;

beforeEach(() => {
  at = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-remove-"));
  kept = path.join(at, "kept");
  fs.mkdirSync(kept);
  fs.writeFileSync(path.join(kept, "file"), "");
});
afterEach(() => {
  spawnSync("umount", ["-R", path.join(at, "doomed/mount")]);
  fs.rmSync(at, { recursive: true, force: true });
});

test("a tree goes, also one that is deep; its links go and not what they are to", () => {
  const deep = path.join(at, "doomed", "a/".repeat(60));
  fs.mkdirSync(deep, { recursive: true });
  for (const directory of [deep, path.join(at, "doomed")]) {
    fs.symlinkSync(kept, path.join(directory, "absolute"));
    fs.symlinkSync("../kept", path.join(directory, "relative"));
    fs.symlinkSync("nowhere", path.join(directory, "dangling"));
    fs.writeFileSync(path.join(directory, "file"), "");
  }
  removeTree(at, "doomed");
  expect(fs.readdirSync(at)).toEqual(["kept"]);
  expect(fs.readdirSync(kept)).toEqual(["file"]);
});

test("what is a link itself goes alone, and what is not there is no error", () => {
  fs.symlinkSync(kept, path.join(at, "link"));
  removeTree(at, "link");
  removeTree(at, "link");
  removeTree(path.join(at, "none"), "link");
  expect(fs.readdirSync(kept)).toEqual(["file"]);
});

test("another mount is not entered, also one of the same file system", () => {
  fs.mkdirSync(path.join(at, "doomed/mount"), { recursive: true });
  const bound = spawnSync("mount", ["--bind", kept, path.join(at, "doomed/mount")]);
  if (bound.status !== 0) throw new Error(`${bound.stderr}`);
  expect(() => removeTree(at, "doomed")).toThrow("EBUSY");
  expect(fs.readdirSync(kept)).toEqual(["file"]);
  expect(spawnSync("umount", [path.join(at, "doomed/mount")]).status).toBe(0);
  removeTree(at, "doomed");
  expect(fs.existsSync(path.join(at, "doomed"))).toBe(false);
});

test("the last file goes last", () => {
  fs.mkdirSync(path.join(at, "doomed/full"), { recursive: true });
  for (const name of ["a", "last", "z"]) fs.writeFileSync(path.join(at, "doomed", name), "");
  const order: string[] = [];
  const watcher = spawnSync("/bin/true");
  expect(watcher.status).toBe(0);
  // What cannot be removed keeps the last file: a directory that is a mount.
  const mounted = spawnSync("mount", ["--bind", kept, path.join(at, "doomed/full")]);
  if (mounted.status !== 0) throw new Error(`${mounted.stderr}`);
  try {
    expect(() => removeTree(at, "doomed", "last")).toThrow("EBUSY");
    order.push(...fs.readdirSync(path.join(at, "doomed")));
  } finally {
    spawnSync("umount", [path.join(at, "doomed/full")]);
  }
  expect(order).toContain("last");
  removeTree(at, "doomed", "last");
  expect(fs.existsSync(path.join(at, "doomed"))).toBe(false);
});
