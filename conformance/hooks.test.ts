import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, check, checkTsrunc } from "./lib/harness.ts";
import { until } from "./lib/runtime.ts";
import type { Hook, HookKind } from "./lib/spec.ts";

area();

const KINDS: readonly HookKind[] = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
];

/** The directory in the rootfs that both sides can write to: hooks on the host find it at its host path. */
function logOf(c: Container, kind: HookKind): string {
  return kind === "startContainer" ? "/log" : c.inside("log");
}

/** A hook that runs shell text, once it has read the state unless the text does that; LOG is the log's path on its side. */
function hook(c: Container, kind: HookKind, text: string, more: Partial<Hook> = {}): Hook {
  return {
    path: "/bin/sh",
    args: ["sh", "-c", `LOG='${logOf(c, kind)}'; ${/\bcat >|\btr /.test(text) ? "" : "cat >/dev/null; "}${text}`],
    env: ["PATH=/usr/bin:/bin"],
    ...more,
  };
}

function log(c: Container): string {
  return existsSync(c.inside("log")) ? readFileSync(c.inside("log"), "utf8") : "";
}

check("all six kinds run in the order of the lifecycle", async (t) => {
  const c = t.container((spec, self) => {
    spec.hooks = {};
    for (const kind of KINDS) spec.hooks[kind] = [hook(self, kind, `echo ${kind} >>"$LOG"`)];
    spec.process.args = ["/bin/sh", "-c", "echo program >>/log; sleep 1000"];
  });
  await c.create();
  expect(log(c)).toBe("prestart\ncreateRuntime\ncreateContainer\n");
  await c.start();
  await c.waitForStatus("running");
  await until("the program", () => log(c).includes("program") && log(c).includes("poststart"));
  const started = log(c).split("\n");
  expect(started.indexOf("startContainer")).toBe(3);
  expect(started.indexOf("program")).toBeGreaterThan(3);
  expect(log(c)).not.toContain("poststop");
  await c.delete("--force");
  expect(log(c)).toMatch(/poststop\n$/);
});

check("hooks of one kind run one after another in the order of config.json", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/true"];
    spec.hooks = {
      createRuntime: [
        hook(self, "createRuntime", 'sleep 0.3; echo 1 >>"$LOG"'),
        hook(self, "createRuntime", 'echo 2 >>"$LOG"'),
        hook(self, "createRuntime", 'echo 3 >>"$LOG"'),
      ],
    };
  });
  expect((await c.run()).code).toBe(0);
  expect(log(c)).toBe("1\n2\n3\n");
});

for (const kind of KINDS)
  check(
    `${kind} hooks run in the ${kind === "startContainer" || kind === "createContainer" ? "container's" : "runtime's"} mount namespace`,
    async (t) => {
      const c = t.container((spec, self) => {
        spec.process.args = ["/bin/sh", "-c", "readlink /proc/self/ns/mnt >/own; sleep 1000"];
        spec.hooks = { [kind]: [hook(self, kind, 'readlink /proc/self/ns/mnt >"$LOG"')] };
      });
      await c.create();
      const container = readlinkSync(`/proc/${await c.pid()}/ns/mnt`);
      await c.start();
      await c.delete("--force");
      const expected =
        kind === "startContainer" || kind === "createContainer" ? container : readlinkSync("/proc/self/ns/mnt");
      expect(log(c).trim()).toBe(expected);
    },
  );

check("the path of a startContainer hook is one of the container", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.inside("hook"), "#!/bin/sh\necho inside >/log\n", { mode: 0o755 });
    spec.process.args = ["/bin/true"];
    spec.hooks = { startContainer: [{ path: "/hook" }] };
  });
  expect((await c.run()).code).toBe(0);
  expect(log(c)).toBe("inside\n");
});

check("a startContainer hook is in the container's pid namespace and runs before the program", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/cat", "/log"];
    spec.hooks = { startContainer: [hook(self, "startContainer", 'readlink /proc/self/ns/pid >"$LOG"')] };
  });
  expect((await c.run()).stdout).toMatch(/^pid:\[\d+\]\n$/);
});

const STATUS: Readonly<Record<HookKind, readonly string[]>> = {
  prestart: ["creating", "created"],
  createRuntime: ["creating", "created"],
  createContainer: ["creating", "created"],
  startContainer: ["created"],
  poststart: ["running"],
  poststop: ["stopped"],
};
for (const kind of KINDS)
  check(
    `${kind} hooks read the state on stdin: id, bundle, status ${STATUS[kind].join(" or ")} and annotations`,
    async (t) => {
      const c = t.container((spec, self) => {
        spec.annotations = { "org.example.a": "b" };
        spec.process.args = ["/bin/sleep", "1000"];
        spec.hooks = { [kind]: [hook(self, kind, 'cat >"$LOG"')] };
      });
      await c.create();
      const pid = await c.pid();
      await c.start();
      await c.delete("--force");
      const state = JSON.parse(log(c)) as Record<string, unknown>;
      expect(state).toMatchObject({ id: c.id, bundle: c.bundle, annotations: { "org.example.a": "b" } });
      expect(state.ociVersion).toMatch(/^1\./);
      expect(STATUS[kind]).toContain(state.status as string);
      if (kind === "prestart" || kind === "createRuntime" || kind === "poststart") expect(state.pid).toBe(pid);
    },
  );

for (const kind of KINDS)
  check(`${kind} hooks get exactly the env and args of config.json`, async (t) => {
    const c = t.container((spec, self) => {
      spec.process.args = ["/bin/sleep", "1000"];
      // what the shell was started with, before it adds variables of its own
      const text = `cat >/dev/null; { echo "$0 $1"; /bin/cat </proc/self/environ; } >'LOG'`;
      spec.hooks = {
        [kind]: [
          {
            path: "/bin/sh",
            args: ["sh", "-c", text.replace("LOG", logOf(self, kind)), "zero", "one two"],
            env: ["ONLY=this", "AND=that one"],
          },
        ],
      };
    });
    await c.create({ env: { LEAKED: "yes" } });
    await c.start();
    await c.delete("--force");
    expect(log(c)).toBe("zero one two\nONLY=this\0AND=that one\0");
  });

for (const kind of ["prestart", "createRuntime", "createContainer"] as const)
  check(`a failing ${kind} hook fails create, later ones do not run and nothing is left`, async (t) => {
    const c = t.container((spec, self) => {
      spec.hooks = { [kind]: [hook(self, kind, "exit 7"), hook(self, kind, 'echo later >>"$LOG"')] };
    });
    const result = await c.tryCreate();
    expect(result.code).not.toBe(0);
    expect(result.stderr).not.toBe("");
    expect(log(c)).toBe("");
    expect(await t.leftNow()).toEqual([]);
  });

check("poststop hooks run when create fails in a createRuntime hook", async (t) => {
  const c = t.container((spec, self) => {
    spec.hooks = {
      createRuntime: [hook(self, "createRuntime", "exit 7")],
      poststop: [hook(self, "poststop", 'echo stopped >>"$LOG"')],
    };
  });
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(log(c)).toBe("stopped\n");
});

check("a failing startContainer hook keeps the program from running", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/touch", "/ran"];
    spec.hooks = { startContainer: [hook(self, "startContainer", "exit 7")] };
  });
  await c.create();
  await c.verb("start");
  await c.verb("delete", "--force");
  expect(existsSync(c.inside("ran"))).toBe(false);
});

check("a failing startContainer hook fails start, and the container is removed", async (t) => {
  const c = t.container((spec, self) => {
    spec.hooks = {
      startContainer: [hook(self, "startContainer", "true"), hook(self, "startContainer", "exit 7")],
      poststart: [hook(self, "poststart", 'echo started >>"$LOG"')],
      poststop: [hook(self, "poststop", 'echo stopped >>"$LOG"')],
    };
  });
  await c.create();
  const failed = await c.verb("start");
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain("exit status 7");
  expect((await c.verb("state")).code).not.toBe(0);
  c.known = false;
  expect(log(c)).toBe("stopped\n");
  expect(await t.leftNow()).toEqual([]);
});

checkTsrunc("a program that cannot be executed leaves its container to be deleted", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/script"];
    writeFileSync(self.inside("script"), "#!/nowhere\n", { mode: 0o755 });
    spec.hooks = { startContainer: [hook(self, "startContainer", "true")] };
  });
  await c.create();
  expect((await c.verb("start")).code).not.toBe(0);
  expect((await c.state()).status).toBe("stopped");
  await c.delete();
});

check("a failing poststart hook fails start, and the container is stopped and removed", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/sleep", "1000"];
    spec.hooks = {
      poststart: [hook(self, "poststart", "exit 7")],
      poststop: [hook(self, "poststop", 'echo stopped >>"$LOG"')],
    };
  });
  await c.create();
  expect((await c.verb("start")).code).not.toBe(0);
  expect((await c.verb("state")).code).not.toBe(0);
  c.known = false;
  expect(log(c)).toBe("stopped\n");
  expect(await t.leftNow()).toEqual([]);
});

check("a failing poststop hook does not keep delete from removing everything, and later ones run", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/true"];
    spec.hooks = { poststop: [hook(self, "poststop", "exit 7"), hook(self, "poststop", 'echo later >>"$LOG"')] };
  });
  await c.create();
  await c.start();
  await c.waitForStatus("stopped");
  expect((await c.verb("delete")).code).toBe(0);
  c.known = false;
  expect(log(c)).toBe("later\n");
  expect(await t.leftNow()).toEqual([]);
});

checkTsrunc("what a failing hook printed is told, stdout and stderr apart, the end of each", async (t) => {
  const kinds = ["createRuntime", "createContainer", "startContainer", "poststart"] as const;
  const texts: Readonly<Record<string, string>> = {
    "echo out; echo err >&2; echo more; exit 3": "exit status 3, stdout: out; more, stderr: err (at",
    "echo only out; exit 4": "exit status 4, stdout: only out (at",
    "echo only err >&2; kill -TERM $$": "killed by signal 15 (terminated), stderr: only err (at",
    "exit 5": "exit status 5 (at",
    "printf 'a\\037b'; exit 6": "exit status 6, stdout: a b (at",
  };
  for (const kind of kinds)
    for (const [text, said] of Object.entries(texts)) {
      const c = t.container((spec, self) => {
        spec.process.args = ["/bin/sleep", "1000"];
        spec.hooks = { [kind]: [hook(self, kind, text)] };
      });
      const { code, stderr } = await c.run();
      expect(code).toBe(1);
      expect(stderr).toContain(`error running ${kind} hook #0: /bin/sh: ${said}`);
    }
  const long = t.container((spec, self) => {
    const text = "i=0; while [ $i -lt 500 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done; exit 7";
    spec.hooks = { createRuntime: [hook(self, "createRuntime", text)] };
  });
  expect((await long.run()).stderr).toMatch(/exit status 7, stdout: (\w+; )+out499, stderr: (\w+; )+err499 \(at/);
});

check("a hook that is not there fails create by name", async (t) => {
  const c = t.container((spec) => {
    spec.hooks = { createRuntime: [{ path: "/nonexistent/hook" }] };
  });
  const result = await c.tryCreate();
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("/nonexistent/hook");
  expect(await t.leftNow()).toEqual([]);
});

check("a hook that runs longer than its timeout is killed and fails create", async (t) => {
  const c = t.container((spec, self) => {
    spec.hooks = { createRuntime: [hook(self, "createRuntime", "exec sleep 100", { timeout: 1 })] };
  });
  const start = Date.now();
  expect((await c.tryCreate()).code).not.toBe(0);
  expect(Date.now() - start).toBeLessThan(40_000);
  expect(await t.leftNow()).toEqual([]);
});

check("a hook that ends within its timeout is fine", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/true"];
    spec.hooks = { createRuntime: [hook(self, "createRuntime", 'echo done >"$LOG"', { timeout: 60 })] };
  });
  expect((await c.run()).code).toBe(0);
  expect(log(c)).toBe("done\n");
});

check("a hook that does not read its stdin does no harm", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
    spec.annotations = { big: "x".repeat(200_000) };
    spec.hooks = { createRuntime: [{ path: "/bin/true" }] };
  });
  expect((await c.run()).code).toBe(0);
});

check("all kinds run under run in the foreground too", async (t) => {
  const c = t.container((spec, self) => {
    spec.hooks = {};
    for (const kind of KINDS) spec.hooks[kind] = [hook(self, kind, `echo ${kind} >>"$LOG"`)];
    spec.process.args = ["/bin/sleep", "0.5"];
  });
  expect((await c.run()).code).toBe(0);
  expect(log(c).trimEnd().split("\n")).toEqual([...KINDS]);
});

check("a prestart hook can reach the container's namespaces by the pid in the state", async (t) => {
  const c = t.container((spec, self) => {
    const text = `pid=$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/' | head -1); readlink /proc/$pid/ns/net >"$LOG"`;
    spec.hooks = { prestart: [hook(self, "prestart", `tr -d '\\n' | { ${text}; }`)] };
  });
  await c.create();
  expect(log(c).trim()).toBe(readlinkSync(`/proc/${await c.pid()}/ns/net`));
});

check("a startContainer hook without env has that of the process, and HOME", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/true"];
    spec.process.env = ["ONE=1", "TWO=2"];
    const args = ["sh", "-c", "cat >/dev/null; /bin/cat </proc/self/environ >/log; true"];
    spec.hooks = { startContainer: [{ path: "/bin/sh", args }] };
  });
  expect(await c.run()).toMatchObject({ code: 0, stderr: "" });
  expect(log(c).split("\0").filter(Boolean).toSorted()).toEqual(["HOME=/root", "ONE=1", "TWO=2"]);
});

check("a createContainer hook starts in the container's root", async (t) => {
  const c = t.container((spec, self) => {
    spec.process.args = ["/bin/true"];
    spec.hooks = { createContainer: [hook(self, "createContainer", "echo here >./log")] };
  });
  expect((await c.run()).code).toBe(0);
  expect(log(c)).toBe("here\n");
});

for (const noNewPrivileges of [true, false])
  check(`a startContainer hook runs under the seccomp filter, noNewPrivileges ${noNewPrivileges}`, async (t) => {
    const c = t.container((spec, self) => {
      spec.process.args = ["/bin/true"];
      spec.process.noNewPrivileges = noNewPrivileges;
      spec.linux.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS" }],
      };
      spec.hooks = { startContainer: [hook(self, "startContainer", "mkdir /made")] };
    });
    const result = await c.run();
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain("bad system call");
    expect(existsSync(c.inside("made"))).toBe(false);
  });
