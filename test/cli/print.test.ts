import { expect, test } from "bun:test";
import { type Op, PID } from "../../src/program/ops.ts";
import { programJson, programText } from "../../src/program/print.ts";

function mount(changes: { attr: number; flags: number }): Op {
  const base = { op: "mount", type: "proc", source: "proc", dest: "/proc", params: [], pidns: -1 } as const;
  return { ...base, propagation: 0x44000, recursiveSet: 0, recursiveClear: 0, ...changes };
}

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
  {
    op: "clone",
    flags: 0x2802_0000,
    cgroup: undefined,
    userns: 3,
    helper: false,
    agent: undefined,
    agentState: undefined,
    forks: false,
  },
  { op: "childWrite", file: "x", text: `p=${PID}`, ignore: ["ENOENT", "EPERM"], quiet: true },
  { op: "capabilities", effective: 0n, permitted: 0b101, inheritable: 1n << 63n, ambient: 1n << 40n },
  { op: "rlimit", resource: 7, soft: 18446744073709551615n, hard: 1024n },
  { op: "prepareExec", argv: ["sh", "-c", "echo x"], env: [] },
  { op: "affinity", mask: new Uint8Array([1, 2, 3]) },
  { op: "post", token: 4 },
  { op: "signal", pid: 7, start: 9, signal: 15, waitMs: 0, ignore: [] },
  { op: "pivot", mode: 0 },
  mount({ attr: 0xf, flags: 3 }),
  mount({ attr: 0xf, flags: 8 }),
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
    received: false,
  },
];

test("text: one line per op, with names, octal modes, flags by name and the pointer", () => {
  expect(programText({ launcher: OPS, init: [], cleanup: [], keepFds: 0 }).split("\n")).toEqual([
    "launcher:",
    "   0  mkdir           path='/a b' mode=0755 parents uid=-1 gid=-1  # root /root",
    "   1  clone           flags=CLONE_NEWNS|CLONE_NEWIPC|CLONE_NEWPID userns=3",
    "   2  childWrite      file=x text=p={pid} ignore=ENOENT,EPERM quiet",
    "   3  capabilities    effective=none permitted=CAP_CHOWN|CAP_DAC_READ_SEARCH inheritable=0x8000000000000000 ambient=CAP_CHECKPOINT_RESTORE",
    "   4  rlimit          resource=RLIMIT_NOFILE soft=infinity hard=1024",
    "   5  prepareExec     argv=[sh -c 'echo x'] env=[]",
    "   6  affinity        mask=<3 bytes>",
    "   7  post            token=ready",
    "   8  signal          pid=7 start=9 signal=SIGTERM waitMs=0",
    "   9  pivot           mode=pivotRoot",
    "  10  mount           type=proc source=proc dest=/proc params=[] attr=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC propagation=MS_REC|MS_PRIVATE flags=nofollow|allowProc",
    "  11  mount           type=proc source=proc dest=/proc params=[] attr=0xf propagation=MS_REC|MS_PRIVATE flags=classic",
    "  12  device          dest=/dev/x type=char major=1 minor=3 mode=0666 uid=0 gid=0",
    "",
  ]);
});

test("json: numbers beyond doubles as text, bytes in base64", () => {
  const text = JSON.stringify(programJson({ launcher: [], init: OPS, cleanup: [], keepFds: 2 }));
  const { init } = JSON.parse(text) as { init: Record<string, unknown>[] };
  expect(init[4]).toEqual({ op: "rlimit", resource: 7, soft: "18446744073709551615", hard: 1024 });
  expect(init[6]).toEqual({ op: "affinity", mask: "AQID" });
  expect(init[0]).toMatchObject({ at: "/root", parents: true });
});
