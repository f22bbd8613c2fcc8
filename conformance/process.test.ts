import { spawnSync } from "node:child_process";
import { mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check } from "./lib/harness.ts";
import { RUNTIME } from "./lib/host.ts";
import { ProbeResult } from "./lib/probe.ts";
import { runtime, until } from "./lib/runtime.ts";
import { grant, useUserNamespace } from "./lib/spec.ts";
import { stateRoot } from "./lib/workspace.ts";

area();

check("args are passed as they are, blanks and empty ones too", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/probe", "report", "", "a b", "$HOME", "é"];
  });
  const { stdout } = await c.run();
  expect(JSON.parse(stdout).report.args.slice(1, 5)).toEqual(["report", "", "a b", "$HOME"]);
});

check("args[0] without a slash is looked up in PATH inside the container", async (t) => {
  const c = t.container((spec, self) => {
    mkdirSync(self.inside("opt"));
    writeFileSync(self.inside("opt/only-here"), "#!/bin/sh\necho found\n", { mode: 0o755 });
    spec.process.env = ["PATH=/nowhere:/opt:/bin"];
    spec.process.args = ["only-here"];
  });
  expect(await c.run()).toMatchObject({ code: 0, stdout: "found\n" });
});

check("a relative args[0] with a slash is taken from cwd", async (t) => {
  const c = t.container((spec) => {
    spec.process.cwd = "/bin";
    spec.process.args = ["./echo", "hello"];
  });
  expect(await c.run()).toMatchObject({ code: 0, stdout: "hello\n" });
});

check("a host program that is not in the rootfs is not found", async (t) => {
  const c = t.container((spec) => {
    spec.process.env = [`PATH=${process.env.PATH}`];
    spec.process.args = ["bun-or-bash-of-the-host"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("executable file");
});

check("a program without execute permission is refused", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("plain"), "#!/bin/sh\n", { mode: 0o644 });
    spec.process.args = ["/plain"];
  });
  const result = await c.run();
  expect(result.code).not.toBe(0);
  expect(result.stderr.toLowerCase()).toContain("permission denied");
});

check("env is exactly what config.json says, plus HOME", async (t) => {
  const c = t.container((spec) => {
    spec.process.env.push("A=1", "B=with blank", "C=", "HOME=/mine");
  });
  const { report } = await c.probeWith({ env: { LEAK: "1", BUN_OPTIONS: "", NODE_OPTIONS: "" } }, "report");
  expect(report.env.toSorted()).toEqual(c.spec.process.env.toSorted());
});

check("of several values of a variable the last counts, and an empty HOME is none", async (t) => {
  const c = t.container((spec) => {
    spec.process.env = ["A=1", "HOME=/first", "B=1", "A=2", "HOME="];
  });
  expect((await c.probe("report")).report.env.toSorted()).toEqual(["A=2", "B=1", "HOME=/root"]);
});

check("a gid that is left out is 0", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000 } as typeof spec.process.user;
  });
  const { report } = await c.probe("report");
  expect([report.uids[0], report.gids[0]]).toEqual([1000, 0]);
});

for (const [uid, home] of [
  [0, "/root"],
  [1000, "/home/app"],
  [4711, "/"],
] as const)
  check(`HOME defaults to ${home} for uid ${uid} of the container's passwd`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid, gid: uid };
    });
    expect((await c.probe("report")).report.env).toContain(`HOME=${home}`);
  });

check("user sets real, effective and saved ids and drops all groups", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1001 };
  });
  const { report } = await c.probe("report");
  expect(report).toMatchObject({ uids: [1000, 1000, 1000], gids: [1001, 1001, 1001] });
  expect(report.groups.filter((gid) => gid !== 1001)).toEqual([]);
});

check("additionalGids are set, in any order", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1000, additionalGids: [29, 5, 100000] };
  });
  const { report } = await c.probe("report");
  expect(report.groups.filter((gid) => gid !== 1000).toSorted((a, b) => a - b)).toEqual([5, 29, 100000]);
});

/** crun's annotation. In a user namespace groups that it does not map are shown as the overflow id. */
for (const [where, patch, shown] of [
  ["", () => undefined, [4, 27]],
  [" in a user namespace", useUserNamespace, [65534, 65534]],
] as const)
  check(`run.oci.keep_original_groups keeps the caller's groups${where}, for exec too`, async (t) => {
    const c = t.container((spec) => {
      patch(spec);
      spec.process.user = { uid: 1000, gid: 1000, additionalGids: [29] };
      spec.annotations = { "run.oci.keep_original_groups": "1" };
    });
    const wrap = ["setpriv", "--groups", "4,27"];
    expect((await c.probeWith({ wrap }, "report")).report.groups).toEqual([...shown]);
    await c.up();
    const executed = await runtime(["exec", c.id, "/bin/probe", "report"], { wrap });
    expect(new ProbeResult(executed.stdout).report.groups).toEqual([...shown]);
    await c.down();
  });

check("umask is set to user.umask", async (t) => {
  const c = t.container((spec) => {
    spec.process.user.umask = 0o027;
  });
  expect((await c.probe("report")).report.umask).toBe(0o027);
});

check("umask is 0022 when config.json has none, whatever the caller's is", async (t) => {
  const c = t.container();
  expect((await c.probeWith({ shell: "umask 077;" }, "report")).report.umask).toBe(0o022);
});

check("the caller's umask does not change the modes of what the runtime makes", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/made/by/runtime", type: "tmpfs", source: "tmpfs" });
  });
  const result = await c.probeWith({ shell: "umask 077;" }, "stat=/made", "stat=/dev/null", "stat=/dev/zero");
  expect(result.stat("stat=/made").mode).toBe(0o755);
  expect(result.stat("stat=/dev/null").mode).toBe(0o666);
  expect(result.stat("stat=/dev/zero").mode).toBe(0o666);
});

check("cwd is made when it is missing", async (t) => {
  const c = t.container((spec) => {
    spec.process.cwd = "/new/deep/dir";
  });
  expect((await c.probe("report")).report.cwd).toBe("/new/deep/dir");
  expect(statSync(c.inside("new/deep/dir")).isDirectory()).toBe(true);
});

check("cwd through a symlink ends at its target inside the container", async (t) => {
  const c = t.container((spec, self) => {
    symlinkSync("/home/app", self.inside("link"));
    spec.process.cwd = "/link";
  });
  expect((await c.probe("report")).report.cwd).toBe("/home/app");
});

check("a cwd that is a file is refused", async (t) => {
  const c = t.container((spec) => {
    spec.process.cwd = "/etc/passwd";
  });
  expect((await c.run()).code).not.toBe(0);
});

check("cwd may be a directory that only the user may enter", async (t) => {
  const c = t.container((spec) => {
    spec.mounts.push({ destination: "/private", type: "tmpfs", source: "tmpfs", options: ["mode=700", "uid=1000"] });
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.capabilities = {};
    spec.process.cwd = "/private";
  });
  expect((await c.probe("report")).report.cwd).toBe("/private");
});

check("the program has stdin, stdout and stderr and no other descriptor", async (t) => {
  const { report } = await t.container().probe("report");
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
});

check("descriptors that the caller left open do not reach the program", async (t) => {
  const { report } = await t.container().probeWith({ shell: "exec 3</etc 5</ 7</dev/null 9>&1;" }, "report");
  expect(report.fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
});

check("a created container's program gets the caller's own stdio files", async (t) => {
  const c = t.container();
  await c.create();
  await c.start();
  const { report } = await c.outputAsProbe();
  expect(report.fds.map(({ fd, type }) => `${fd} ${type}`)).toEqual(["0 c", "1 file", "2 file"]);
});

for (const [how, owner, words] of [
  ["run", 0, (c: Container) => ["run", "--bundle", c.bundle, c.id]],
  ["run --detach", 1000, (c: Container) => ["run", "--detach", "--bundle", c.bundle, c.id]],
  ["create", 1000, (c: Container) => ["create", "--bundle", c.bundle, c.id]],
  ["exec", 0, (c: Container) => ["exec", c.id, "/bin/probe", "exit"]],
  ["exec --detach", 1000, (c: Container) => ["exec", "--detach", c.id, "/bin/probe", "exit"]],
] as const) {
  const given = owner === 0 ? "keep their owner" : "are given to the container's user";
  check(`files that are the standard streams of ${how} ${given}; /dev/null is never`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid: 1000, gid: 1000 };
    });
    const exec = how.startsWith("exec");
    if (exec) await c.up();
    else c.spec.process.args = ["/bin/probe", "exit"];
    c.save();
    writeFileSync(c.file("in"), "");
    const ofNull = statSync("/dev/null").uid;
    expect(ofNull).not.toBe(1000);
    const { code } = await runtime(words(c), { stdin: c.file("in"), stdout: c.file("out") });
    c.known = how !== "run";
    expect(code).toBe(0);
    const owned = () => ["in", "out"].map((name) => statSync(c.file(name)).uid);
    await until("the files' owner", () => owner === 0 || owned().every((uid) => uid === owner));
    expect(owned()).toEqual([owner, owner]);
    expect(statSync("/dev/null").uid).toBe(ofNull);
  });
}

check("a pipe that the caller waits on can be opened again by the container's user", async (t) => {
  const c = t.container((spec) => {
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.args = ["/bin/sh", "-c", "echo hello >/proc/self/fd/1"];
  });
  c.save();
  // A pipe of a shell's: what JavaScript engines call so is a socket, which nobody can open.
  const words = [...RUNTIME, "--root", stateRoot(), "run", "--bundle", c.bundle, c.id];
  const { stdout } = spawnSync("sh", ["-c", '"$@" | cat', "sh", ...words], { encoding: "utf8", timeout: 30_000 });
  expect(stdout).toBe("hello\n");
});

check("the program starts with default signals and an empty signal mask, whatever the caller ignores", async (t) => {
  const { report } = await t.container().probeWith({ shell: "trap '' PIPE USR1 INT QUIT CHLD;" }, "report");
  expect(report).toMatchObject({ sigIgnored: [], sigBlocked: [], sigCaught: [] });
});

check("the program is pid 1, session and group leader, dumpable, with no parent-death signal", async (t) => {
  const { report } = await t.container().probe("report");
  expect(report).toMatchObject({
    pid: 1,
    ppid: 0,
    sid: 1,
    pgid: 1,
    dumpable: 1,
    pdeathsig: 0,
    subreaper: 0,
    securebits: 0,
  });
});

check("the program may run on all CPUs, whatever the caller was confined to", async (t) => {
  const free = await t.container().probe("report");
  const confined = await t.container().probeWith({ shell: "taskset -p 1 $$ >/dev/null;" }, "report");
  expect(confined.report.affinity).toEqual(free.report.affinity);
});

check("the program has the caller's nice value and scheduling policy", async (t) => {
  const { report } = await t.container().probeWith({ shell: "renice -n 3 -p $$ >/dev/null 2>&1;" }, "report");
  expect(report.scheduler).toMatchObject({ policy: 0, nice: 3 });
});

check("settings hold for an ordinary user in a user namespace too", async (t) => {
  const c = t.container((spec) => {
    useUserNamespace(spec);
    grant(spec, "CAP_SYS_ADMIN");
    spec.process.user = { uid: 1000, gid: 1000, umask: 0o077, additionalGids: [29] };
    spec.process.noNewPrivileges = true;
    spec.process.cwd = "/home/app";
  });
  const { report } = await c.probe("report");
  expect(report).toMatchObject({ uids: [1000, 1000, 1000], umask: 0o077, noNewPrivileges: 1, cwd: "/home/app" });
  expect(report.groups).toContain(29);
  expect(report.caps.effective).toBe("0");
});

check("the scheduling policy of an exec's process is that of its file", async (t) => {
  const c = t.container();
  await c.up();
  const scheduler = { policy: "SCHED_BATCH", nice: 3, flags: ["SCHED_FLAG_RESET_ON_FORK"] };
  const process = { ...c.spec.process, args: ["/bin/probe", "report"], scheduler };
  writeFileSync(c.file("process.json"), JSON.stringify(process));
  const result = await c.verb("exec", `--process=${c.file("process.json")}`);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(new ProbeResult(result.stdout).report.scheduler).toMatchObject({ policy: 3, nice: 3, flags: 1 });
  await c.down();
});
