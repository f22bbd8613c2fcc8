import { expect, test } from "bun:test";
import { formatError } from "../../src/errors.ts";
import { defaultSpec } from "../../src/spec/defaults.ts";
import { parseSpec } from "../../src/spec/load.ts";
import type { SpecOptions } from "../../src/spec/quick.ts";
import { applySpecOptions, parseMount } from "../../src/spec/quick.ts";
import { parseSize } from "../../src/spec/sizes.ts";

function failure(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return formatError(error);
  }
  return "no error";
}

test("no option, no change", () => {
  const spec = defaultSpec();
  expect(applySpecOptions(spec, {})).toBe(spec);
  expect(applySpecOptions(spec, { args: [], env: [], mounts: [] })).toBe(spec);
});

test("all options together give a valid spec, and the old one stays as it was", () => {
  const spec = defaultSpec();
  const changed = applySpecOptions(spec, {
    rootfs: "/srv/root",
    readonly: false,
    hostname: "box",
    tty: false,
    cpus: "1.5",
    memory: "64M",
    pids: "100",
    env: ["TERM=dumb", "A=b=c"],
    mounts: ["/data:/mnt:ro,nosuid"],
    user: "1000:100",
    cwd: "/tmp",
    args: ["ls", "-l"],
  });
  expect(spec).toEqual(defaultSpec());
  expect(changed.root).toEqual({ path: "/srv/root", readonly: false });
  expect(changed.hostname).toBe("box");
  expect(changed.process).toMatchObject({
    terminal: false,
    user: { uid: 1000, gid: 100 },
    args: ["ls", "-l"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "A=b=c"],
    cwd: "/tmp",
  });
  expect(changed.mounts?.at(-1)).toEqual({
    destination: "/mnt",
    type: "bind",
    source: "/data",
    options: ["rbind", "ro", "nosuid"],
  });
  expect(changed.linux?.resources).toEqual({
    devices: [{ allow: false, access: "rwm" }],
    memory: { limit: 67108864 },
    cpu: { quota: 150000, period: 100000 },
    pids: { limit: 100 },
  });
  expect(Object.keys(changed)).toEqual(Object.keys(spec));
  expect(parseSpec(JSON.stringify(changed), "x").warnings).toEqual([]);
});

test("a later variable of the same name wins, a longer name is another one", () => {
  const { process } = applySpecOptions(defaultSpec(), { env: ["X=1", "XY=2", "X=3"] });
  expect(process?.env?.slice(2)).toEqual(["X=3", "XY=2"]);
});

test("a host name brings the namespace it needs", () => {
  const spec = { ociVersion: "1.3.0", root: { path: "rootfs" } };
  expect(applySpecOptions(spec, { hostname: "h" }).linux).toEqual({ namespaces: [{ type: "uts" }] });
});

test("a spec without process gets one", () => {
  expect(applySpecOptions({ ociVersion: "1.3.0" }, { args: ["sh"] }).process).toEqual({
    user: { uid: 0, gid: 0 },
    cwd: "/",
    args: ["sh"],
  });
});

const BAD: readonly (readonly [options: SpecOptions, message: string])[] = [
  [{ memory: "lots" }, "flag `--memory`: expected a size such as `64M`, found `lots`"],
  [{ memory: "64X" }, "flag `--memory`: expected a size such as `64M`, found `64X`"],
  [{ memory: "-2" }, "flag `--memory`: expected a size such as `64M`, found `-2`"],
  [{ memory: "" }, "flag `--memory`: expected a size such as `64M`, found ``"],
  [{ memory: "99999999P" }, "flag `--memory`: expected a size such as `64M`, found `99999999P`"],
  [{ cpus: "0" }, "flag `--cpus`: expected a number such as `1.5`, at least `0.01`, found `0`"],
  [{ cpus: "-1" }, "flag `--cpus`: expected a number such as `1.5`, at least `0.01`, found `-1`"],
  [{ cpus: "1e3" }, "flag `--cpus`: expected a number such as `1.5`, at least `0.01`, found `1e3`"],
  [{ pids: "1.5" }, "flag `--pids`: expected a whole number or `-1`, found `1.5`"],
  [{ pids: "-2" }, "flag `--pids`: expected a whole number or `-1`, found `-2`"],
  [{ env: ["A"] }, "flag `--env`: expected `NAME=VALUE`, found `A`"],
  [{ env: ["=secret"] }, "flag `--env`: expected `NAME=VALUE`, found ``"],
  [
    { mounts: ["/a"] },
    "flag `--mount`: expected `SOURCE:DESTINATION[:OPTIONS]` with an absolute destination, found `/a`",
  ],
  [
    { mounts: ["/a:b"] },
    "flag `--mount`: expected `SOURCE:DESTINATION[:OPTIONS]` with an absolute destination, found `/a:b`",
  ],
  [
    { mounts: [":/b"] },
    "flag `--mount`: expected `SOURCE:DESTINATION[:OPTIONS]` with an absolute destination, found `:/b`",
  ],
  [
    { mounts: ["/a:/b:"] },
    "flag `--mount`: expected `SOURCE:DESTINATION[:OPTIONS]` with an absolute destination, found `/a:/b:`",
  ],
  [{ rootfs: "" }, "flag `--rootfs`: expected a path, found ``"],
  [{ cwd: "tmp" }, "flag `--cwd`: expected an absolute path, found `tmp`"],
  ...["", "root", "1:", ":1", "-1", "1x", "0:1:2", "4294967295", "0:4294967295"].map(
    (user) => [{ user }, `flag \`--user\`: expected numbers as in \`UID\` or \`UID:GID\`, found \`${user}\``] as const,
  ),
];

for (const [options, message] of BAD) {
  test(`${JSON.stringify(options)}: ${message}`, () => {
    expect(failure(() => applySpecOptions(defaultSpec(), options))).toBe(message);
  });
}

test("sizes", () => {
  const sizes = { "0": 0, "65536": 65536, "64k": 65536, "1.5G": 1610612736, "512MiB": 536870912, "2GB": 2147483648 };
  for (const [text, bytes] of Object.entries(sizes)) expect(parseSize(text, "--memory")).toBe(bytes);
  expect(parseSize("-1", "--memory")).toBe(-1);
});

test("a mount that says how it is bound is left alone", () => {
  expect(parseMount("vol:/v:bind,ro")).toEqual({
    destination: "/v",
    type: "bind",
    source: "vol",
    options: ["bind", "ro"],
  });
});
