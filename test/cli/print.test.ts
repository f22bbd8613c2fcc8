import { expect, test } from "bun:test";
import { type Op, PID } from "../../src/program/ops.ts";
import { programJson, programText } from "../../src/program/print.ts";

const OPS: readonly Op[] = [
  {
    op: "mkdir",
    path: "/a b",
    mode: 0o755,
    parents: true,
    existOk: false,
    uid: -1,
    gid: -1,
    at: "/root",
    what: "root",
  },
  { op: "clone", flags: 0x2802_0000, cgroup: undefined, pidns: -1, userns: 3 },
  { op: "childWrite", file: "x", text: `p=${PID}`, ignore: ["ENOENT", "EPERM"], quiet: true },
  { op: "capabilities", effective: 0n, permitted: 0b101, inheritable: 1n << 63n, ambient: 1n << 40n },
  { op: "rlimit", resource: 7, soft: 18446744073709551615n, hard: 1024n },
  { op: "exec", argv: ["sh", "-c", "echo x"], env: [] },
  { op: "affinity", mask: new Uint8Array([1, 2, 3]) },
  {
    op: "device",
    dest: "/dev/x",
    type: 8192,
    major: 1,
    minor: 3,
    mode: 0o666,
    uid: 0,
    gid: 0,
    bind: undefined,
    keep: false,
  },
];

test("text: one line per op, with names, octal modes, flags by name and the pointer", () => {
  expect(programText([{ title: "launcher", ops: OPS }]).split("\n")).toEqual([
    "launcher:",
    '   0  mkdir           path="/a b" mode=0755 parents uid=-1 gid=-1  # root /root',
    "   1  clone           flags=CLONE_NEWNS|CLONE_NEWIPC|CLONE_NEWPID userns=3",
    '   2  childWrite      file=x text="p={pid}" ignore=ENOENT,EPERM quiet',
    "   3  capabilities    effective=0 permitted=CAP_CHOWN|CAP_DAC_READ_SEARCH inheritable=0x8000000000000000 ambient=CAP_CHECKPOINT_RESTORE",
    "   4  rlimit          resource=RLIMIT_NOFILE soft=18446744073709551615 hard=1024",
    '   5  exec            argv=[sh -c "echo x"] env=[]',
    "   6  affinity        mask=<3 bytes>",
    "   7  device          dest=/dev/x type=char major=1 minor=3 mode=0666 uid=0 gid=0",
    "",
  ]);
});

test("json: numbers beyond doubles as text, bytes in base64", () => {
  const text = JSON.stringify(programJson([{ title: "init", ops: OPS }]));
  const { init } = JSON.parse(text) as { init: Record<string, unknown>[] };
  expect(init[4]).toEqual({ op: "rlimit", resource: 7, soft: "18446744073709551615", hard: 1024 });
  expect(init[6]).toEqual({ op: "affinity", mask: "AQID" });
  expect(init[0]).toMatchObject({ at: "/root", parents: true });
});
