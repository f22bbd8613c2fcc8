/** A container's life as the clients of Docker and podman show it; both take the same flags. */
import { expect, test } from "bun:test";
import { refusesPrivileges } from "./capabilities.ts";
import { background, call, container, type Engine, inspect, must } from "./engine.ts";
import { IMAGE } from "./image.ts";
import { sleep, until } from "./run.ts";

const FOREVER = ["sleep", "1000"] as const;

/** Registers everything about starting, watching and ending containers. */
export function lifeScenarios(engine: () => Engine): void {
  foreground(engine);
  detached(engine);
  execs(engine);
  ends(engine);
  many(engine);
}

function foreground(engine: () => Engine): void {
  test("a container in the foreground: both streams and the exit status", async () => {
    const result = await container(engine(), ["--rm"], ["sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
  });

  test("standard input reaches the container and ends there", async () => {
    const result = await container(engine(), ["--rm", "-i"], ["sh", "-c", "cat; echo end"], { input: "one\ntwo\n" });
    expect(result).toEqual({ code: 0, stdout: "one\ntwo\nend\n", stderr: "" });
  });

  test("a container with a terminal", async () => {
    const script = "test -t 0 && test -t 1 && tty && ls -l /dev/console | cut -c1";
    const result = await container(engine(), ["--rm", "-t"], ["sh", "-c", script]);
    expect(result.code).toBe(0);
    expect(result.stdout.replaceAll("\r", "")).toBe("/dev/pts/0\nc\n");
  });

  test("a program that does not exist is 127, one that cannot be executed 126", async () => {
    const missing = await container(engine(), ["--rm"], ["no-such-program"]);
    expect(missing.code).toBe(127);
    expect(missing.stderr).toContain("no-such-program");
    const directory = await container(engine(), ["--rm"], ["/etc"]);
    expect(directory.code).toBe(126);
  });

  test("a signal to the client goes to the container", async () => {
    const script = "trap 'echo caught; exit 5' TERM; echo up; while :; do sleep 0.1; done";
    const name = `signalled-${process.pid}`;
    const result = await container(engine(), ["--rm", "--name", name], ["sh", "-c", script], {
      started: (pid) => void signalWhenUp(engine(), name, pid),
    });
    expect(result).toMatchObject({ code: 5, stdout: "up\ncaught\n" });
  });
}

async function signalWhenUp(engine: Engine, name: string, pid: number): Promise<void> {
  await until("the container to be up", async () => (await must(engine, ["logs", name])).includes("up"));
  process.kill(pid, "SIGTERM");
}

function detached(engine: () => Engine): void {
  test("a detached container: logs, wait and what inspect says of it", async () => {
    const id = await background(engine(), [], "sh", "-c", "echo first; echo second >&2; exit 3");
    expect(await must(engine(), ["wait", id])).toBe("3");
    const logs = await call(engine(), ["logs", id]);
    expect(logs).toEqual({ code: 0, stdout: "first\n", stderr: "second\n" });
    expect(await inspect(engine(), id, "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}")).toBe("exited 3 0");
  });

  test("create and start are two steps, and a stopped container starts again", async () => {
    const flags = ["create", ...engine().runFlags, IMAGE, "sh", "-c", "echo again"];
    const id = await must(engine(), flags);
    expect(await inspect(engine(), id, "{{.State.Running}}")).toBe("false");
    expect(await must(engine(), ["start", "-a", id])).toBe("again");
    expect(await must(engine(), ["start", "-a", id])).toBe("again");
  });

  test("top lists what runs in a container", async () => {
    const id = await background(engine(), [], "sh", "-c", "sleep 1001 & sleep 1002");
    const listed = await until("both processes", async () => {
      const top = await must(engine(), ["top", id]);
      return top.includes("sleep 1002") ? top : "";
    });
    expect(listed).toContain("sleep 1001");
  });

  test("restart gives a container a new first process", async () => {
    const id = await background(engine(), [], "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done");
    const before = await inspect(engine(), id, "{{.State.Pid}}");
    await must(engine(), ["restart", "-t", "5", id]);
    const after = await inspect(engine(), id, "{{.State.Running}} {{.State.Pid}}");
    expect(after).toStartWith("true ");
    expect(after).not.toBe(`true ${before}`);
  });
}

function execs(engine: () => Engine): void {
  test("exec: streams, input, exit status, user, directory and environment", async () => {
    const id = await background(engine(), ["--env", "OUTER=1"], ...FOREVER);
    const flags = ["exec", "-i", "-u", "app", "-w", "/home/app", "-e", "INNER=2", id];
    const script = "id -un; pwd; echo $OUTER$INNER; cat; echo err >&2; exit 9";
    const result = await call(engine(), [...flags, "sh", "-c", script], { input: "in\n" });
    expect(result).toEqual({ code: 9, stdout: "app\n/home/app\n12\nin\n", stderr: "err\n" });
  });

  test("exec with a terminal", async () => {
    const id = await background(engine(), [], ...FOREVER);
    const result = await call(engine(), ["exec", "-t", id, "sh", "-c", "test -t 0 && test -t 1 && tty; exit 4"]);
    expect(result.code).toBe(4);
    expect(result.stdout.trim()).toStartWith("/dev/pts/");
  });

  test("a detached exec joins the container's namespaces", async () => {
    const id = await background(engine(), [], ...FOREVER);
    await must(engine(), ["exec", "-d", id, "sh", "-c", "readlink /proc/self/ns/* >/tmp/mine; sleep 1000"]);
    const script = "readlink /proc/1/ns/* | cmp - /tmp/mine && echo same";
    await until("the exec to report", async () => (await call(engine(), ["exec", id, "sh", "-c", script])).code === 0);
    expect(await must(engine(), ["exec", id, "sh", "-c", script])).toBe("same");
  });

  test("an exec of what does not exist is 127, of what cannot be executed 126", async () => {
    const id = await background(engine(), [], ...FOREVER);
    const missing = await call(engine(), ["exec", id, "no-such-program"]);
    // Docker 20.10 knows no 127 for exec, later ones do.
    expect([126, 127]).toContain(missing.code);
    expect(missing.stdout + missing.stderr).toContain("executable file not found in $PATH");
    expect((await call(engine(), ["exec", id, "/etc"])).code).toBe(126);
    expect(await must(engine(), ["exec", id, "echo", "still there"])).toBe("still there");
  });

  test("an exec with all privileges", async () => {
    const id = await background(engine(), ["--cap-drop", "ALL"], ...FOREVER);
    const read = ["grep", "CapEff", "/proc/self/status"];
    expect(await must(engine(), ["exec", id, ...read])).toMatch(/\t0{16}$/);
    const result = await call(engine(), ["exec", "--privileged", id, ...read]);
    if (refusesPrivileges(engine(), result)) return;
    expect(result.stdout).not.toMatch(/\t0{16}$/);
  });
}

function ends(engine: () => Engine): void {
  test("stop lets a container end by itself", async () => {
    const id = await background(engine(), [], "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done");
    await sleep(300);
    await must(engine(), ["stop", "-t", "10", id]);
    expect(await inspect(engine(), id, "{{.State.ExitCode}}")).toBe("3");
  });

  test("stop kills a container that does not listen", async () => {
    const id = await background(engine(), [], ...FOREVER);
    await must(engine(), ["stop", "-t", "1", id]);
    expect(await inspect(engine(), id, "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 137");
  });

  test("kill sends the signal asked for", async () => {
    const id = await background(engine(), [], "sh", "-c", "trap 'exit 11' USR1; while :; do sleep 0.1; done");
    await sleep(300);
    await must(engine(), ["kill", "-s", "USR1", id]);
    expect(await must(engine(), ["wait", id])).toBe("11");
    const other = await background(engine(), [], ...FOREVER);
    await must(engine(), ["kill", other]);
    expect(await must(engine(), ["wait", other])).toBe("137");
  });

  test("a running container is only removed by force", async () => {
    const id = await background(engine(), [], ...FOREVER);
    expect((await call(engine(), ["rm", id])).code).not.toBe(0);
    await must(engine(), ["rm", "-f", id]);
    expect((await call(engine(), ["inspect", id])).code).not.toBe(0);
  });

  test("the restart policy starts a failing container again", async () => {
    const id = await background(engine(), ["--restart", "on-failure:2"], "sh", "-c", "echo try; exit 1");
    const tries = async (): Promise<string> => await must(engine(), ["logs", id]);
    await until("three tries", async () => (await tries()) === "try\ntry\ntry");
    expect(await inspect(engine(), id, "{{.RestartCount}}")).toBe("2");
  });
}

function many(engine: () => Engine): void {
  test("20 containers at once", async () => {
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    const results = await Promise.all(
      numbers.map(
        async (number) => await container(engine(), ["--rm"], ["sh", "-c", `echo ${number}; exit ${number}`]),
      ),
    );
    expect(results).toEqual(numbers.map((number) => ({ code: number, stdout: `${number}\n`, stderr: "" })));
  }, 120_000);

  test("20 execs at once in one container", async () => {
    const id = await background(engine(), [], ...FOREVER);
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    const results = await Promise.all(
      numbers.map(async (number) => await call(engine(), ["exec", id, "sh", "-c", `echo ${number}; exit ${number}`])),
    );
    expect(results).toEqual(numbers.map((number) => ({ code: number, stdout: `${number}\n`, stderr: "" })));
  }, 120_000);
}
