/** What a container is given by the flags of `run`: file systems, rights, limits; the same for Docker and podman. */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { refusesPrivileges } from "./capabilities.ts";
import { background, container, type Engine, must, output } from "./engine.ts";
import { IMAGE } from "./image.ts";
import { subdirectory } from "./workspace.ts";

/** Registers everything that needs no cgroup. */
export function optionScenarios(engine: () => Engine): void {
  files(engine);
  identity(engine);
  rights(engine);
  namespaces(engine);
}

function exchange(name: string): string {
  const directory = subdirectory(`exchange/${name}`);
  mkdirSync(directory, { recursive: true });
  return directory;
}

function files(engine: () => Engine): void {
  test("a read-only root with a tmpfs in it", async () => {
    const script = "touch /new 2>&1; touch /scratch/new && df /scratch | tail -1; grep ' /scratch ' /proc/mounts";
    const flags = ["--read-only", "--tmpfs", "/scratch:rw,size=1m,noexec"];
    const printed = await output(engine(), flags, "sh", "-c", script);
    expect(printed).toContain("/new: Read-only file system");
    expect(printed).toMatch(/tmpfs +1024 /);
    expect(printed).toMatch(/tmpfs \/scratch tmpfs rw,[^ ]*noexec/);
  });

  test("bind mounts, writable and read-only", async () => {
    const directory = exchange(engine().name.replaceAll(/\W/g, ""));
    writeFileSync(path.join(directory, "in"), "from outside");
    await must({ ...engine(), client: ["chmod"] }, ["777", directory]);
    const flags = ["-v", `${directory}:/rw`, "-v", `${directory}:/ro:ro`, "-v", `${directory}/in:/one/file:ro`];
    const script = "cat /rw/in /one/file; echo inside >/rw/out; touch /ro/no 2>&1 || true";
    const printed = await output(engine(), flags, "sh", "-c", script);
    expect(printed).toBe("from outsidefrom outsidetouch: /ro/no: Read-only file system");
    expect(readFileSync(path.join(directory, "out"), "utf8")).toBe("inside\n");
  });

  test("a volume outlives its containers", async () => {
    const volume = `keep${process.pid}`;
    await output(engine(), ["-v", `${volume}:/data`], "sh", "-c", "echo kept >/data/file");
    expect(await output(engine(), ["-v", `${volume}:/data:ro`], "cat", "/data/file")).toBe("kept");
    await must(engine(), ["volume", "rm", volume]);
  });

  test("the size of /dev/shm", async () => {
    expect(await output(engine(), ["--shm-size", "3m"], "df", "/dev/shm")).toMatch(/^shm +3072 /m);
  });

  test("what must not be seen of /proc and /sys is masked, the rest of it read-only", async () => {
    const script =
      "for f in kcore keys timer_list latency_stats; do test ! -e /proc/$f || wc -c </proc/$f; done; ls /sys/firmware; (echo x >/proc/sys/kernel/hostname) 2>&1 || true";
    const printed = await output(engine(), [], "sh", "-c", script);
    expect(printed).toMatch(/^(0\n)+sh: /);
    expect(printed).toContain("Read-only file system");
  });
}

function identity(engine: () => Engine): void {
  test("user by name and by number, with groups", async () => {
    expect(await output(engine(), ["--user", "app"], "id")).toContain("uid=1000(app) gid=1000(app)");
    const numeric = await output(engine(), ["--user", "4321:8765", "--group-add", "29"], "id");
    expect(numeric).toMatch(/^uid=4321\S* gid=8765\S* groups=\S*29\(audio\)/);
  });

  test("environment, working directory and host name", async () => {
    const flags = ["--env", "A=b c", "--workdir", "/home/app", "--hostname", "boxed"];
    expect(await output(engine(), flags, "sh", "-c", 'echo "$A"; echo $FROM_IMAGE; pwd; hostname')).toBe(
      "b c\nyes\n/home/app\nboxed",
    );
  });

  test("resource limits of the process", async () => {
    const flags = ["--ulimit", "nofile=100:200", "--ulimit", "core=0", "--ulimit", "nproc=900:1000"];
    expect(await output(engine(), flags, "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c")).toBe("100\n200\n0");
  });

  test("an init process above the container's own", async () => {
    const printed = await output(engine(), ["--init"], "sh", "-c", "cat /proc/1/comm; echo $$");
    expect(printed).toMatch(/^(docker-init|tini|catatonit|podman-init)\n[2-9]$/);
  });
}

function rights(engine: () => Engine): void {
  const capabilities = async (flags: readonly string[]): Promise<string> =>
    await output(engine(), flags, "sh", "-c", "grep -E '^Cap(Inh|Eff|Bnd)' /proc/self/status | cut -f2 | tr '\\n' ' '");

  test("capabilities are added and dropped", async () => {
    expect(await capabilities(["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"])).toBe(
      "0000000000000000 0000000000001000 0000000000001000",
    );
    expect(await capabilities(["--cap-drop", "ALL"])).toBe("0000000000000000 0000000000000000 0000000000000000");
  });

  test("a user other than root starts without capabilities", async () => {
    expect(await capabilities(["--user", "app"])).toMatch(/^0{16} 0{16} /);
  });

  test("no-new-privileges", async () => {
    const read = ["grep", "NoNewPrivs", "/proc/self/status"];
    expect(await output(engine(), ["--security-opt", "no-new-privileges"], ...read)).toBe("NoNewPrivs:\t1");
    expect(await output(engine(), [], ...read)).toBe("NoNewPrivs:\t0");
  });

  test("the engine's own seccomp profile is active unless it is turned off", async () => {
    const read = ["grep", "Seccomp:", "/proc/self/status"];
    expect(await output(engine(), [], ...read)).toBe("Seccomp:\t2");
    expect(await output(engine(), ["--security-opt", "seccomp=unconfined"], ...read)).toBe("Seccomp:\t0");
  });

  test("a seccomp profile of one's own", async () => {
    const file = path.join(subdirectory("profiles"), "no-mkdir.json");
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 38 };
    writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
    const result = await container(engine(), ["--rm", "--security-opt", `seccomp=${file}`], ["mkdir", "/tmp/new"]);
    expect(result).toMatchObject({
      code: 1,
      stderr: "mkdir: can't create directory '/tmp/new': Function not implemented\n",
    });
  });

  test("a privileged container", async () => {
    const script =
      "grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted; test -w /proc/sys && echo writable";
    const result = await container(engine(), ["--rm", "--privileged"], ["sh", "-c", script]);
    if (refusesPrivileges(engine(), result)) return;
    expect(result.stdout).toBe("Seccomp:\t0\nmounted\nwritable\n");
    const [, effective = ""] = (await capabilities(["--privileged"])).split(" ");
    // All that this engine has: root of some machines has not everything.
    expect(BigInt(`0x${effective}`)).toBeGreaterThan(0x3f_0000_0000n);
  });
}

function namespaces(engine: () => Engine): void {
  test("a container in the namespaces of another", async () => {
    const first = await background(engine(), ["--ipc", "shareable"], "sleep", "1000");
    const flags = ["network", "pid", "ipc"].map((kind) => `--${kind}=container:${first}`);
    const result = await must(engine(), [
      ...withoutNetwork(engine().runFlags, ["run", "--rm", ...flags]),
      ...[
        IMAGE,
        "sh",
        "-c",
        "cat /proc/1/cmdline | tr '\\0' ' '; echo; for n in net pid ipc uts; do readlink /proc/self/ns/$n; done",
      ],
    ]);
    const [command, ...mine] = result.split("\n");
    const read = "for n in net pid ipc uts; do readlink /proc/self/ns/$n; done";
    const theirs = (await must(engine(), ["exec", first, "sh", "-c", read])).split("\n");
    expect(command).toStartWith("sleep 1000 ");
    expect(mine[0]).toBe(theirs[0] as string);
    expect(mine.slice(0, 3)).toEqual(theirs.slice(0, 3));
    expect(mine[3]).not.toBe(theirs[3]);
  });

  test("a container in the host's namespaces", async () => {
    const flags = withoutNetwork(engine().runFlags, ["run", "--rm", "--network=host", "--pid=host", "--uts=host"]);
    const kinds = ["net", "pid", "uts"];
    const script = `for n in ${kinds.join(" ")}; do readlink /proc/self/ns/$n; done`;
    const printed = await must(engine(), [...flags, IMAGE, "sh", "-c", script]);
    expect(printed.split("\n")).toEqual(kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));
  });

  test("kernel parameters of the container's own namespaces", async () => {
    const flags = ["--sysctl", "net.ipv4.ip_default_ttl=42", "--sysctl", "kernel.msgmax=4242"];
    expect(await output(engine(), flags, "cat", "/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/msgmax")).toBe(
      "42\n4242",
    );
  });
}

/** `before` and the engine's flags without those about the network. */
function withoutNetwork(flags: readonly string[], before: readonly string[]): readonly string[] {
  const at = flags.indexOf("--network");
  return [...before, ...flags.slice(0, at), ...flags.slice(at + 2)];
}
