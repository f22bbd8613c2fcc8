/** `--debug`: what a person needs who looks for the reason why a container does not start. */
import { readFileSync, writeFileSync } from "node:fs";
import type { Container } from "./lib/container.ts";
import { expect } from "./lib/expect.ts";
import { area, checkTsrunc } from "./lib/harness.ts";
import { runtime } from "./lib/runtime.ts";
import { stateRoot } from "./lib/workspace.ts";

area();

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly time: string;
}

function globals(c: Container): string[] {
  return ["--root", stateRoot(), "--debug", "--log", c.file("log"), "--log-format", "json"];
}

/** What has been logged since the last time. */
function logged(c: Container): Line[] {
  const lines = readFileSync(c.file("log"), "utf8").trimEnd().split("\n");
  writeFileSync(c.file("log"), "");
  return lines.map((line) => JSON.parse(line) as Line);
}

checkTsrunc("--debug tells what was decided and what came of it, and no value of the environment", async (t) => {
  const c = t.container((spec, self) => {
    writeFileSync(self.file("hook"), "#!/bin/sh\nexec sleep 0.05\n", { mode: 0o755 });
    spec.hooks = { createRuntime: [{ path: self.file("hook"), env: ["SECRET=sesame"] }] };
    spec.process.env = ["PATH=/bin", "SECRET=sesame"];
    spec.process.args = ["/bin/true", "of the container"];
    spec.linux.seccomp = { defaultAction: "SCMP_ACT_ALLOW" };
  });
  expect((await c.tryCreate({ global: globals(c) })).stderr).toBe("");
  const { pid } = await c.state();
  const created = logged(c);
  const text = created.map(({ msg }) => msg).join("\n");
  for (const part of [
    `create \`${c.id}\``,
    `bundle \`${c.bundle}\`, rootfs \`${c.rootfs}\``,
    "seccomp: ",
    "namespaces: new mnt",
    `createRuntime hook #0: ${c.file("hook")}: exit status 0 after `,
    'program: ["/bin/true","of the container"]',
    `first process: pid ${pid}`,
    "state: created",
  ])
    expect(text).toContain(part);
  expect(Number(/exit status 0 after ([\d.]+) ms/.exec(text)?.[1])).toBeGreaterThanOrEqual(50);
  expect(text).not.toContain("sesame");
  expect(new Set(created.map(({ level }) => level))).toEqual(new Set(["debug"]));
  expect(created.every(({ time }) => Math.abs(Date.parse(time) - Date.now()) < 60_000)).toBe(true);
});

checkTsrunc("with --debug the error is still the last line, and the only one of its level", async (t) => {
  const c = t.container((spec) => {
    spec.hooks = { createRuntime: [{ path: "/bin/false" }], poststop: [{ path: "/bin/false" }] };
  });
  const { code, stderr } = await c.tryCreate({ global: globals(c) });
  expect(code).toBe(1);
  const lines = logged(c);
  const errors = lines.filter(({ level }) => level === "error").map(({ msg }) => msg);
  expect(errors).toEqual([stderr.trimEnd()]);
  expect(lines.at(-1)?.level).toBe("error");
  expect(errors[0]).toContain("createRuntime hook #0: /bin/false: exit status 1");
  expect(lines.some(({ msg }) => /^createRuntime hook #0: \/bin\/false: failed after [\d.]+ ms$/.test(msg))).toBe(true);
  expect(await t.leftNow()).toEqual([]);
});

checkTsrunc("--debug says to which process a signal went and how the process ended", async (t) => {
  const c = t.container((spec) => {
    spec.process.args = ["/bin/sh", "-c", "exit 7"];
  });
  const { code, stderr } = await c.run({ global: ["--root", stateRoot(), "--debug"] });
  expect(code).toBe(7);
  expect(stderr).toContain("the process has ended with status 7");
  const d = t.container();
  await d.create();
  const { pid } = await d.state();

  const killed = await runtime(["kill", d.id, "KILL"], { global: ["--root", stateRoot(), "--debug"] });
  expect(killed.stderr).toContain(`\`${d.id}\` is created: pid ${pid}`);
  expect(killed.stderr).toContain(`signal SIGKILL sent to pid ${pid}`);
});
