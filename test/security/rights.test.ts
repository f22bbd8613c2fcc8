/** In whichever order a filter is loaded, the program has the same rights in the end: those that it has without a filter. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { Box, type Config, type Json, removeAll } from "./lib/box.ts";

setDefaultTimeout(300_000);
afterAll(removeAll);

const deny = (name: string): Json => ({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: [name], action: "SCMP_ACT_ERRNO" }],
});
/** Loaded early, and last, which takes CAP_SYS_ADMIN until then. */
const ORDERS = { early: deny("kexec_load"), last: deny("capset") };

const SOME = ["CAP_CHOWN", "CAP_NET_RAW"];
const ADMIN = ["CAP_CHOWN", "CAP_SYS_ADMIN"];
const SETS: Readonly<Record<string, Config>> = {
  "no sets": {},
  "bounding, permitted and effective": { bounding: SOME, permitted: SOME, effective: SOME },
  "a bounding set alone": { bounding: SOME },
  "inheritable ones": { bounding: SOME, permitted: SOME, effective: SOME, inheritable: SOME },
  "ambient ones": { bounding: SOME, permitted: SOME, effective: SOME, inheritable: SOME, ambient: SOME },
  "CAP_SYS_ADMIN permitted": { bounding: ADMIN, permitted: ADMIN, effective: ["CAP_CHOWN"] },
  "CAP_SYS_ADMIN ambient": { bounding: ADMIN, permitted: ADMIN, effective: ADMIN, inheritable: ADMIN, ambient: ADMIN },
  "CAP_SYS_ADMIN permitted, and bounding others": { bounding: SOME, permitted: ADMIN, effective: ADMIN },
};

function config(uid: number, noNewPrivileges: boolean, capabilities: Config, seccomp: Json): Config {
  return {
    ociVersion: "1.2.0",
    root: { path: "rootfs" },
    process: {
      user: { uid, gid: uid },
      args: ["/bin/busybox", "grep", "-E", "^(Cap|NoNew)", "/proc/self/status"],
      env: ["PATH=/bin"],
      cwd: "/",
      noNewPrivileges,
      capabilities,
    },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: { namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })), seccomp },
  };
}

async function rights(uid: number, noNewPrivileges: boolean, sets: Config, seccomp: Json): Promise<string[]> {
  const content = config(uid, noNewPrivileges, sets, seccomp);
  const box = new Box(["/bin/busybox"], content);
  const run = await box.run();
  expect(run).toMatchObject({ status: 0, stderr: "" });
  const waiting = { ...(content.process as Config), args: ["/bin/busybox", "sleep", "1000"] };
  box.save({ ...content, process: waiting });
  expect(await box.create()).toMatchObject({ status: 0 });
  expect(await box.start()).toMatchObject({ status: 0 });
  const exec = await box.exec(["/bin/busybox", "grep", "-E", "^(Cap|NoNew)", "/proc/self/status"]);
  expect(exec).toMatchObject({ status: 0, stderr: "" });
  const first = await box.exec(["/bin/busybox", "grep", "-E", "^(Cap|NoNew)", "/proc/1/status"]);
  await box.delete();
  return [run.stdout, first.stdout, exec.stdout];
}

for (const [name, sets] of Object.entries(SETS))
  test(`${name}: the same rights without a filter and with one, loaded early or last`, async () => {
    for (const uid of [0, 1000])
      for (const noNewPrivileges of [false, true]) {
        const expected = await rights(uid, noNewPrivileges, sets, undefined);
        expect(expected[0]).toContain("CapEff:");
        for (const [order, seccomp] of Object.entries(ORDERS)) {
          const found = await rights(uid, noNewPrivileges, sets, seccomp);
          expect({ uid, noNewPrivileges, order, found }).toEqual({ uid, noNewPrivileges, order, found: expected });
        }
      }
  });
