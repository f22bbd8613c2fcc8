import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { claimContainer } from "../../src/container/claim.ts";
import type { Context } from "../../src/container/context.ts";
import { listContainers, listTable } from "../../src/container/list.ts";
import { userName } from "../../src/container/owner.ts";
import { self } from "../../src/container/proc.ts";
import type { StateRecord } from "../../src/container/record.ts";
import { containerStatus, ociState, readState } from "../../src/container/state.ts";
import { saveState } from "../../src/container/store.ts";

let root: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "tsrunc-state-"));
});
afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

function container(id: string, changes: Partial<StateRecord> = {}): StateRecord {
  const made: StateRecord = {
    ...self(),
    ociVersion: "1.3.0",
    id,
    bundle: "/bundles/b",
    rootfs: "/bundles/b/rootfs",
    created: "2026-11-21T01:32:08.123Z",
    owner: "root",
    ...changes,
  };
  claimContainer({ root, record: made, config: "{}" });
  return made;
}

/** A v2 cgroup in the file system, frozen or not. */
function cgroupRecord(freeze: "0" | "1"): NonNullable<StateRecord["cgroup"]> {
  const directory = fs.mkdtempSync(path.join(root, "~cgroup"));
  fs.writeFileSync(path.join(directory, "cgroup.freeze"), `${freeze}\n`);
  return { version: "v2", manager: "cgroupfs", paths: { "": directory } };
}

test("status follows from the process, the socket and the freezer", () => {
  const record = { ...container("box"), cgroup: cgroupRecord("1") };
  expect(containerStatus(root, { ...record, cgroup: cgroupRecord("0") })).toBe("running");
  expect(containerStatus(root, record)).toBe("paused");
  fs.writeFileSync(path.join(root, "box", "start.sock"), "");
  expect(containerStatus(root, record)).toBe("paused");
  // Still there after a start that was killed: the process is no tsrunc-init.
  expect(containerStatus(root, { ...record, cgroup: cgroupRecord("0") })).toBe("running");
  expect(containerStatus(root, { ...record, startTime: 1 })).toBe("stopped");
  expect(containerStatus(root, { ...record, creator: self() })).toBe("creating");
  expect(containerStatus(root, { ...record, pid: 0, creator: { pid: 1, startTime: 1 } })).toBe("stopped");
});

test("a zombie is stopped", async () => {
  // sleep, which takes the shell's place, does not wait for the shell's child.
  const child = Bun.spawn(["/bin/sh", "-c", "sleep 0.2 & echo $!; exec sleep 5"], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(value));
  const stat = () => fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  while (!stat().includes(") Z ")) await Bun.sleep(1);
  const startTime = Number(stat().split(") ")[1]!.split(" ")[19]);
  expect(containerStatus(root, container("box", { pid, startTime }))).toBe("stopped");
  child.kill("SIGKILL");
  await child.exited;
});

test("the state JSON has runc's keys in runc's order, and pid 0 when stopped", () => {
  const record = container("box", { annotations: { a: "b" } });
  const state = ociState(record, "stopped");
  expect(Object.keys(state).join()).toBe("ociVersion,id,pid,status,bundle,rootfs,created,annotations,owner");
  expect(state.pid).toBe(0);
  expect(readState(root, "box")).toMatchObject({
    pid: process.pid,
    status: "running",
    annotations: { a: "b" },
  });
});

function contextOf(given: boolean, warnings: string[]): Context {
  return {
    root,
    perform: () => 0,
    rootGiven: given,
    log: { warn: (message) => warnings.push(message), debug: () => undefined },
    logFormat: "text",
    debug: false,
    cgroupManager: "cgroupfs",
    programName: "tsrunc",
  };
}

test("list: sorted, and what has no valid state is warned about", () => {
  for (const id of ["b", "a", "C"]) container(id);
  fs.mkdirSync(path.join(root, "damaged"));
  fs.writeFileSync(path.join(root, "damaged", "state.json"), "{");
  fs.writeFileSync(path.join(root, "file"), "");
  const warnings: string[] = [];
  expect(listContainers(contextOf(true, warnings)).map((state) => state.id)).toEqual(["C", "a", "b"]);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("load container `damaged`");
});

test("list: a missing root is an error only if it was named", () => {
  const context = { ...contextOf(true, []), root: path.join(root, "none") };
  expect(() => listContainers(context)).toThrow("no such file or directory");
  expect(listContainers({ ...context, rootGiven: false })).toEqual([]);
});

test("the table has columns of at least 12, three blanks apart", () => {
  saveState(root, container("a-long-container-id"));
  const table = listTable(listContainers(contextOf(true, []))).split("\n");
  const head = "ID                    PID         STATUS      BUNDLE       CREATED                    OWNER";
  expect(table[0]).toBe(head);
  expect(table[1]).toBe(
    `a-long-container-id   ${String(process.pid).padEnd(12)}running     /bundles/b   2026-11-21T01:32:08.123Z   root`,
  );
});

test("owners are named from /etc/passwd, else by number", () => {
  expect(userName(0)).toBe("root");
  expect(userName(4_000_000)).toBe("#4000000");
});
