import { spawnSync } from "node:child_process";
/** What a container can reach of the runtime, and of the host through it, while containers are made, entered and removed. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { cgroupDirectory } from "./lib/cgroup.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { ProbeResult } from "./lib/probe.ts";
import { startCommand, until } from "./lib/runtime.ts";
import { grant, setNamespace, useUserNamespace } from "./lib/spec.ts";
import { probeProgram, receiverProgram } from "./lib/workspace.ts";

area();

const WRITE_SEALS = 0x0f; // F_SEAL_SEAL, SHRINK, GROW, WRITE

function sealsOf(file: string): number {
  const { stdout } = spawnSync(probeProgram(), [`seals=${file}`], { encoding: "utf8" });
  return Number(new ProbeResult(stdout).of(`seals=${file}`));
}

/** What a pid of the host is called in the innermost pid namespace it is in. */
function innerPid(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(/^NSpid:(.*)$/m)?.[1] ?? "";
  return Number(line.trim().split(/\s+/).at(-1));
}

check("CVE-2024-21626: no program is found through a descriptor of the runtime", async (t) => {
  const victim = t.container();
  copyFileSync("/bin/busybox", victim.inside("bin/only-here"));
  await victim.up();
  const root = `${await victim.pid()}/root`;
  for (let fd = 3; fd <= 16; fd++)
    for (const way of [`${root}/bin/only-here`, `../${fd}/${root}/bin/only-here`, "self/exe"]) {
      const c = t.container((spec) => {
        spec.process.args = [`/proc/self/fd/${fd}/${way}`];
      });
      expect({ fd, way, ran: (await c.run()).code === 0 }).toEqual({ fd, way, ran: false });
      await c.dispose();
    }
});

check("CVE-2024-21626: no interpreter of a script is found through a descriptor of the runtime", async (t) => {
  const victim = t.container();
  await victim.up();
  const root = `${await victim.pid()}/root`;
  const inside = t.container();
  await inside.up();
  for (let fd = 3; fd <= 16; fd++) {
    const script = `#!/proc/self/fd/${fd}/${root}/bin/busybox true\n`;
    const c = t.container((spec, self) => {
      writeFileSync(self.inside("evil"), script, { mode: 0o755 });
      spec.process.args = ["/evil"];
    });
    expect({ fd, ran: (await c.run()).code === 0 }).toEqual({ fd, ran: false });
    await c.dispose();
    writeFileSync(inside.inside("evil"), script, { mode: 0o755 });
    expect({ fd, ran: (await inside.verb("exec", "/evil")).code === 0 }).toEqual({ fd, ran: false });
  }
});

checkTsrunc("CVE-2019-5736: the init of a created container runs from a sealed file in memory", async (t) => {
  const c = t.container();
  await c.create();
  const exe = `/proc/${await c.pid()}/exe`;
  expect(readlinkSync(exe)).toMatch(/^\/memfd:/);
  expect(sealsOf(exe) & WRITE_SEALS).toBe(WRITE_SEALS);
});

for (const uid of [0, 1000])
  check(
    `CVE-2016-9962: a container that shares its pid namespace cannot look into an init of uid ${uid}`,
    async (t) => {
      const host = t.container();
      await host.up();
      const c = t.container((spec) => {
        spec.process.user = { uid, gid: uid };
      });
      setNamespace(c.spec, "pid", `/proc/${await host.pid()}/ns/pid`);
      await c.create();
      const pid = innerPid(await c.pid());
      const operations = [
        ...["environ", "maps", "auxv", "mem", "ns/mnt"].map((name) => `openr=/proc/${pid}/${name}`),
        ...["exe", "root", "cwd", "fd/0", "ns/mnt"].map((name) => `readlink=/proc/${pid}/${name}`),
        `openrw=/proc/${pid}/mem`,
        `overwrite-exe=${pid}`,
      ];
      const result = await host.verb("exec", "/bin/probe", ...operations, `--user=${uid}:${uid}`);
      const probe = new ProbeResult(result.stdout);
      for (const operation of operations)
        expect({ operation, is: probe.of(operation) }).toEqual({
          operation,
          is: expect.stringMatching(/^(EACCES|EPERM)$/),
        });
    },
  );

check("not even CAP_SYS_PTRACE in a shared pid namespace finds the host's /proc through a created init", async (t) => {
  const host = t.container((spec) => grant(spec, "CAP_SYS_PTRACE"));
  await host.up();
  const c = t.container();
  setNamespace(c.spec, "pid", `/proc/${await host.pid()}/ns/pid`);
  c.spec.process.args = ["/bin/probe", "wait"];
  await c.create();
  const script = `cd /proc/${innerPid(await c.pid())}/fd && echo * && ls -d */${process.pid}/status`;
  const [descriptors, ...found] = (await host.verb("exec", "/bin/sh", "-c", script)).stdout.split("\n");
  expect(descriptors).toMatch(/^0 1 2 /);
  expect(found).toEqual([""]);
  await c.start();
  expect((await c.state()).status).toBe("running");
});

check("hooks of a container that joins a pid namespace stay out of it", async (t) => {
  const host = t.container();
  await host.up();
  const c = t.container((spec, self) => {
    const note = (name: string) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `readlink /proc/self/ns/pid > '${self.file(name)}'`],
    });
    spec.hooks = { createRuntime: [note("before")], poststart: [note("after")] };
    spec.process.args = ["/bin/true"];
  });
  setNamespace(c.spec, "pid", `/proc/${await host.pid()}/ns/pid`);
  expect((await c.run()).code).toBe(0);
  const own = `${readlinkSync("/proc/self/ns/pid")}\n`;
  expect(readFileSync(c.file("before"), "utf8")).toBe(own);
  expect(readFileSync(c.file("after"), "utf8")).toBe(own);
});

for (const uid of [0, 1000])
  checkTsrunc(`the directory of the notify socket cannot be written to by uid ${uid}, the socket can`, async (t) => {
    const c = t.container((spec) => {
      spec.process.user = { uid, gid: uid };
    });
    const socket = c.file("notify");
    const listener = startCommand([receiverProgram(), "--datagram", socket]);
    t.cleanup(() => {
      listener.child.kill("SIGKILL");
    });
    await until("the socket", () => existsSync(socket));
    const operations = ["creat=/run/notify/file", "mkdir=/run/notify/dir", "unlink=/run/notify/notify.sock"];
    const probe = await c.probeWith({ env: { NOTIFY_SOCKET: socket } }, ...operations, "notify=READY=1", "report");
    for (const operation of operations)
      expect({ operation, is: probe.of(operation) }).toEqual({ operation, is: "EROFS" });
    expect(probe.of("notify=READY=1")).toBe("OK");
    expect(probe.mount("/run/notify")?.options).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
  });

checkTsrunc("in a user namespace the path of a device brings no other file of the host", async (t) => {
  const c = t.container((spec, self) => {
    useUserNamespace(spec);
    writeFileSync(self.file("secret"), "secret");
    const path = self.file("secret");
    mkdirSync(self.inside(self.bundle), { recursive: true });
    writeFileSync(self.inside(path), "");
    spec.linux.devices = [{ path, type: "c", major: 1, minor: 3 }];
  });
  const result = await c.probe(`lstat=${c.file("secret")}`, `read=${c.file("secret")}`);
  expect(result.stat(`lstat=${c.file("secret")}`)).toMatchObject({ type: "c", major: 1, minor: 3 });
  expect(result.data(c.file("secret"))).toBe("");
});

checkTsrunc("a container that nested cgroups thousands deep can be deleted", async (t) => {
  const c = t.container();
  await c.up();
  const directory = cgroupDirectory(await c.pid(), "pids");
  const hundred = Array(100).fill("d").join("/");
  const nest = `cd '${directory}'; for i in $(seq 25); do mkdir -p ${hundred} && cd -P ${hundred} || exit 1; done`;
  expect((await startCommand(["/bin/sh", "-c", nest]).result).stderr).toBe("");
  await c.delete("--force");
  expect(existsSync(directory)).toBe(false);
});

checkTsrunc(
  "a file that waits under the temporary name of the pid file is neither waited for nor written to",
  async (t) => {
    const c = t.container();
    const [file, bait] = [c.file("pid"), c.file("bait")];
    writeFileSync(bait, "bait");
    chmodSync(bait, 0o666);
    await c.create({ flags: ["--pid-file", file], shell: `mkfifo '${file}.tmp'$$;` });
    expect(readFileSync(file, "utf8")).toBe(String(await c.pid()));
    const other = t.container();
    await other.create({ flags: ["--pid-file", file], shell: `ln '${bait}' '${file}.tmp'$$;` });
    expect(readFileSync(file, "utf8")).toBe(String(await other.pid()));
    expect(readFileSync(bait, "utf8")).toBe("bait");
  },
);

checkTsrunc("a passwd file without end does not hold up create", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("etc/passwd2"), "");
    truncateSync(self.inside("etc/passwd2"), 2 ** 42);
    spec.mounts.push({
      destination: "/etc/passwd",
      type: "bind",
      source: self.inside("etc/passwd2"),
      options: ["bind"],
    });
    spec.process.user = { uid: 1000, gid: 1000 };
    spec.process.env = ["PATH=/bin"];
  });
  c.spec.process.args = ["/bin/sh", "-c", "echo $HOME"];
  expect(await c.run({ timeoutMs: 10_000 })).toMatchObject({ code: 0, stdout: "/\n" });
});

for (const name of ["net.//.//.sys.kernel.domainname", "net/../kernel/domainname", "net.ipv4..//.kernel"])
  check(`a sysctl named ${name} leads nowhere`, async (t) => {
    const c = t.container((spec) => {
      spec.linux.sysctl = { [name]: "1" };
    });
    expect((await c.run()).code).not.toBe(0);
    expect(await t.leftNow()).toEqual([]);
  });
