/**
 * Under the restrictions of hardened units (systemd.exec(5)) and of engines that a container is nested in: it works, or one
 * line says what is missing, and what runs already can be stopped and removed. The same filters, capabilities and mounts
 * are made by a program of the test's own, without systemd. Root only.
 */
import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import path from "node:path";
import type { Container } from "../../conformance/lib/container.ts";
import { area, check, checkTsrunc } from "../../conformance/lib/harness.ts";
import { cgroupMounts } from "../../conformance/lib/leaks.ts";
import { type Result, runtime } from "../../conformance/lib/runtime.ts";
import { workspace } from "../../conformance/lib/workspace.ts";
import { elsewhere } from "./lib/elsewhere.ts";
import {
  endingSteps,
  harmlessSteps,
  makeContainers,
  removingSteps,
  waitForEnds,
  walk,
  wordsProblem,
} from "./lib/walk.ts";

area();

function restrict(): string {
  const program = path.join(workspace(), "restrict");
  if (!fs.existsSync(program)) {
    const source = path.join(import.meta.dir, "restrict.c");
    execFileSync("gcc", ["-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
  }
  return program;
}

const under = (words: readonly string[]): readonly string[] => [restrict(), ...words, "--"];

/** linux/capability.h. */
const CAPABILITIES = {
  DAC_OVERRIDE: 1,
  SETGID: 6,
  NET_ADMIN: 12,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
  MKNOD: 27,
};
const without = (name: keyof typeof CAPABILITIES): string => `without-capability=${CAPABILITIES[name]}`;
const ENOSYS = 38;
const SYS_CLONE3 = 435;

/** Nothing that a container needs. */
const HARMLESS: readonly (readonly [string, readonly string[]])[] = [
  ["RestrictAddressFamilies=AF_UNIX AF_NETLINK", ["address-families=unix,netlink"]],
  ["RestrictAddressFamilies=AF_UNIX", ["address-families=unix"]],
  ["MemoryDenyWriteExecute=yes", ["write-execute"]],
  ["LockPersonality=yes", ["personality"]],
  ["RestrictRealtime=yes", ["realtime"]],
  ["NoNewPrivileges=yes", ["no-new-privileges"]],
  ["CapabilityBoundingSet=~CAP_SYS_RESOURCE", [without("SYS_RESOURCE")]],
  ["CapabilityBoundingSet=~CAP_SYS_PTRACE", [without("SYS_PTRACE")]],
  ["PrivateDevices=yes (no CAP_MKNOD)", [without("MKNOD")]],
  ["a profile that lets clone3 fail, as of engines", [`deny=${SYS_CLONE3}:${ENOSYS}`]],
  [
    "all of these",
    ["address-families=unix", "write-execute", "personality", "realtime", "no-new-privileges", without("MKNOD")],
  ],
];

/** What a container cannot be made without, and what has to be said. */
const FATAL: readonly (readonly [string, readonly string[], RegExp])[] = [
  // A created container waits for start at a unix socket.
  ["RestrictAddressFamilies=AF_INET AF_INET6", ["address-families=inet,inet6"], /socket: .*\(EAFNOSUPPORT\)/],
  ["RestrictAddressFamilies=none", ["address-families=none"], /socket: .*\(EAFNOSUPPORT\)/],
  ["RestrictNamespaces=yes", ["namespaces"], /namespaces: clone: .*\(EPERM\).*RestrictNamespaces=/],
  ["RestrictSUIDSGID=yes", ["suid-sgid"], /\(ENOSYS\).*openat2.*RestrictSUIDSGID=/],
  ["SystemCallFilter=@system-service", ["system-service"], /operation not permitted \(EPERM\)/],
  ["CapabilityBoundingSet=~CAP_SYS_ADMIN", [without("SYS_ADMIN")], /\(EPERM\)/],
  ["CapabilityBoundingSet=~CAP_NET_ADMIN", [without("NET_ADMIN")], /loopback device.*\(EPERM\)/],
  ["CapabilityBoundingSet=~CAP_SETGID", [without("SETGID")], /setgroups.*\(EPERM\)/],
];

async function called(args: readonly string[], words: readonly string[], stdout?: string): Promise<Result> {
  return await runtime(args, { wrap: under(words), ...(stdout === undefined ? {} : { stdout }) });
}

function sleeping(c: Container): Container {
  c.spec.process.args = ["/bin/sleep", "1000"];
  c.save();
  c.known = true;
  return c;
}

for (const [what, words] of HARMLESS)
  checkTsrunc(`a container lives under ${what}`, async (t) => {
    const c = sleeping(t.container());
    const create = await called(["create", "--bundle", c.bundle, c.id], words, c.outputFile);
    // Of the capabilities that the config asks for the container gets what there is, and that is said.
    expect([create.code, create.stderr.replace(/.*level=warning.*not granted.*\n/, "")]).toEqual([0, ""]);
    for (const args of [
      ["start", c.id],
      ["exec", c.id, "/bin/true"],
      ["pause", c.id],
      ["resume", c.id],
      ["update", "--pids-limit=40", c.id],
      ["ps", c.id],
      ["events", "--stats", c.id],
      ["delete", "--force", c.id],
    ])
      expect([args[0], await called(args, words)]).toEqual([args[0], expect.objectContaining({ code: 0 })]);
  });

check("the loopback device is up without any family of sockets but the runtime's own", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/cat", "/sys/class/net/lo/flags"];
    spec.mounts.push({ destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] });
  });
  c.save();
  const { code, stdout } = await called(["run", "--bundle", c.bundle, c.id], ["address-families=unix,netlink"]);
  expect([code, Number(stdout) & 1]).toEqual([0, 1]);
});

for (const [what, words, says] of FATAL)
  checkTsrunc(
    `under ${what} one line says what is missing, nothing is left, and containers can be removed`,
    async (t) => {
      const c = t.container();
      c.save();
      const create = await called(["create", "--bundle", c.bundle, c.id], words, c.outputFile);
      expect([create.code, wordsProblem(create)]).toEqual([1, undefined]);
      expect(create.stderr).toMatch(says);
      expect(await t.leftNow()).toEqual([]);

      for (const flags of [["--force"], []]) {
        const there = sleeping(t.container());
        await there.create();
        if (flags.length > 0) await there.start();
        expect((await called(["state", there.id], words)).code).toBe(0);
        expect(await called(["kill", there.id, "KILL"], words)).toMatchObject({ code: 0, stderr: "" });
        await there.waitForStatus("stopped");
        expect(await called(["delete", ...flags, there.id], words)).toMatchObject({ code: 0, stderr: "" });
      }
    },
  );

/** What units hide of the file system: [directive, what systemd does for it]. */
const VIEWS: readonly (readonly [string, string])[] = [
  [
    "ProtectKernelTunables=yes",
    "for d in /proc/sys /proc/irq /proc/fs /proc/bus; do [ ! -d $d ] || { mount --bind $d $d; mount -o remount,bind,ro $d; }; done",
  ],
  ["ProtectProc=invisible", "mount -t proc -o hidepid=invisible proc /proc"],
  ["PrivateTmp=yes", "mount -t tmpfs tmp /var/tmp"],
  ["ProtectHome=yes", "mount -t tmpfs -o mode=0 none /home; mount -t tmpfs -o mode=0 none /root"],
  [
    "PrivateDevices=yes",
    "mount -t tmpfs -o noexec dev /mnt; for n in null zero full random urandom tty; do touch /mnt/$n; mount --bind /dev/$n /mnt/$n; done; mkdir /mnt/pts /mnt/shm; mount --bind /dev/pts /mnt/pts; mount --move /mnt /dev",
  ],
];

for (const [what, script] of VIEWS)
  checkTsrunc(`every verb works under ${what}`, async (t) => {
    const at = await elsewhere(t, script);
    const made = await makeContainers(t, at);
    expect(await walk(harmlessSteps(at, made))).toEqual([]);
    expect(await walk(endingSteps(at, made))).toEqual([]);
    await waitForEnds(at, made);
    expect(await walk(removingSteps(at, made))).toEqual([]);
  });

checkTsrunc("under ProtectControlGroups=yes one line names the cgroup that cannot be made", async (t) => {
  const script = cgroupMounts().map(({ target }) => `mount -o remount,bind,ro ${target}`);
  const at = await elsewhere(t, script.join("; "));
  const { code, stderr } = await at.create(t.container());
  expect([code, stderr]).toEqual([1, expect.stringMatching(/cgroup: mkdir `.*`: read-only file system \(EROFS\)/)]);
});

for (const [what, shell] of [
  ["`ulimit -n 16`", "ulimit -n 16;"],
  ["`ulimit -c 0 -l 0`", "ulimit -c 0; ulimit -l 0;"],
] as const)
  checkTsrunc(`every verb works under ${what}`, async (t) => {
    const at = await elsewhere(t, ":");
    at.shell = shell;
    const made = await makeContainers(t, at);
    expect(await walk(harmlessSteps(at, made))).toEqual([]);
    expect(await walk(endingSteps(at, made))).toEqual([]);
    await waitForEnds(at, made);
    expect(await walk(removingSteps(at, made))).toEqual([]);
  });

checkTsrunc(
  "a limit on the size of files keeps no container from being stopped, and holds in the container",
  async (t) => {
    const at = await elsewhere(t, ":");
    const made = await makeContainers(t, at);
    // Smaller than tsrunc-init and than any program; also without CAP_SYS_RESOURCE, which could lift it.
    at.shell = "ulimit -f 8;";
    expect(await walk(harmlessSteps(at, made))).toEqual([]);
    expect((await at.verb("exec", made.running, "/bin/sh", "-c", "ulimit -f")).stdout).toMatch(/^(4|8)\n$/);
    expect(await walk(endingSteps(at, made))).toEqual([]);
    await waitForEnds(at, made);
    expect(await walk(removingSteps(at, made))).toEqual([]);
  },
);
