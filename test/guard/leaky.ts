/** Tests that leave something behind: guard.test.ts runs them and looks whether the guard says so. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import path from "node:path";
import { hierarchyRoots } from "../../conformance/lib/cgroup.ts";
import { area, check } from "../../conformance/lib/harness.ts";
import { stateRoot, TAG } from "../../conformance/lib/workspace.ts";
import { DEVICE } from "./device.ts";

area();

function shell(script: string): void {
  const { status, stderr } = spawnSync("/bin/sh", ["-ec", script], { encoding: "utf8", cwd: "/" });
  if (status !== 0) throw new Error(stderr);
}

/** Nothing but the limit that it inherits tells where it comes from. */
const UNMARKED = `env -i setsid sh -c 'sleep ${process.env.GUARD_SECONDS} & exit' </dev/null >/dev/null 2>&1`;

check("a mount on a place of the machine", () => shell("mount -t tmpfs tmpfs /mnt"));

check("a bind of the machine's own directory", () => shell("mount --bind /usr /opt"));

check("a changed mount", () => shell("mount -o remount,bind,nosuid,noatime /proc"));

check("a cgroup", () => {
  for (const root of hierarchyRoots()) mkdirSync(path.join(root, `left-by-${TAG}/below`), { recursive: true });
});

check("a process without a parent", () => shell(UNMARKED));

check("a process in a mount namespace of its own", () => shell(`unshare -m ${UNMARKED}`));

check("state", () => {
  mkdirSync(path.join(stateRoot(), "left"));
});

check("state in the default place", () => {
  mkdirSync(`/run/tsrunc/${TAG}`, { recursive: true });
});

check("another mode of /dev/null", () => chmodSync("/dev/null", 0o600));

if (DEVICE !== "") check("a network device", () => shell(`ip link add ${TAG} type ${DEVICE}`));

check("nothing, after all this has been removed", () => {});
