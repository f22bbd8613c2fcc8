/** buildah, which calls the runtime itself: no conmon, no containers of long life. */
import { expect, test } from "bun:test";
import { buildContext } from "./lib/build.ts";
import { call, must, useEngine } from "./lib/engine.ts";
import { IMAGE } from "./lib/image.ts";
import { startBuildah } from "./lib/podman.ts";
import { run } from "./lib/run.ts";
import { runtimePath, subdirectory, TAG } from "./lib/workspace.ts";

const engine = useEngine(startBuildah);

async function working(): Promise<string> {
  return await must(engine(), ["from", "--pull-never", "--cgroup-parent", `/${TAG}/build`, "--network", "none", IMAGE]);
}

function runFlags(): readonly string[] {
  return ["run", "--isolation", "oci", "--runtime", runtimePath(), "--network", "none"];
}

test("build: RUN steps", async () => {
  const context = buildContext("buildah");
  const flags = [
    "--isolation",
    "oci",
    "--runtime",
    runtimePath(),
    "--network",
    "none",
    "--cgroup-parent",
    `/${TAG}/build`,
  ];
  await must(engine(), ["bud", ...flags, "-t", "built", context]);
  const name = await must(engine(), ["from", "--pull-never", "built"]);
  expect(
    await must(engine(), ["run", "--isolation", "oci", "--runtime", runtimePath(), name, "cat", "/work/made"]),
  ).toBe("given\nhello\n0");
  const failing = await call(engine(), ["bud", ...flags, "-f", `${context}/Dockerfile.failing`, context]);
  expect(failing.code).not.toBe(0);
  expect(failing.stderr).toContain("exit status 23");
});

test("run: output, input and exit status", async () => {
  const name = await working();
  const command = ["sh", "-c", "cat; echo err >&2; exit 6"];
  const result = await call(engine(), [...runFlags(), name, "--", ...command], { input: "in\n" });
  expect(result).toMatchObject({ code: 6, stdout: "in\n" });
  expect(result.stderr).toStartWith("err\n");
});

test("run with a terminal", async () => {
  const name = await working();
  const line = [...engine().client, ...runFlags(), "-t", name, "--", "tty"].join(" ");
  const result = await run(["script", "-qec", line, "/dev/null"], { env: engine().env ?? process.env });
  expect(result.stdout).toContain("/dev/pts/0");
});

test("run with volumes, capabilities and another user", async () => {
  const name = await working();
  const directory = subdirectory("exchange");
  const flags = ["-v", `${directory}:/data:ro`, "--cap-add", "CAP_NET_ADMIN", "--user", "app"];
  const script = "id -u; (: >/data/new) 2>&1; grep CapBnd /proc/self/status";
  const printed = (await must(engine(), [...runFlags(), ...flags, name, "--", "sh", "-c", script])).split("\n");
  expect(printed.slice(0, 2)).toEqual(["1000", "/bin/sh: can't create /data/new: Read-only file system"]);
  expect(BigInt(`0x${printed[2]?.split("\t")[1]}`) & (1n << 12n)).toBe(1n << 12n);
});

test("a program that does not exist is told of", async () => {
  const name = await working();
  const result = await call(engine(), [...runFlags(), name, "--", "no-such-program"]);
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain("no-such-program");
});
