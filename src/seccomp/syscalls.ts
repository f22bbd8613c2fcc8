/** System call names and numbers, per architecture; a table is parsed when it is first asked for. */

import type { SeccompArch } from "../spec/types.ts";
import { allArches, archInfo } from "./arches.ts";
import { aarch64 } from "./tables/aarch64.ts";
import { arm } from "./tables/arm.ts";
import { loongarch64 } from "./tables/loongarch64.ts";
import { m68k } from "./tables/m68k.ts";
import { mips } from "./tables/mips.ts";
import { mips64 } from "./tables/mips64.ts";
import { mips64n32 } from "./tables/mips64n32.ts";
import { parisc } from "./tables/parisc.ts";
import { parisc64 } from "./tables/parisc64.ts";
import { ppc } from "./tables/ppc.ts";
import { ppc64 } from "./tables/ppc64.ts";
import { riscv64 } from "./tables/riscv64.ts";
import { s390 } from "./tables/s390.ts";
import { s390x } from "./tables/s390x.ts";
import { sh } from "./tables/sh.ts";
import { x32 } from "./tables/x32.ts";
import { x86 } from "./tables/x86.ts";
import { x86_64 } from "./tables/x86_64.ts";

// biome-ignore format: one line
const TABLES: Readonly<Record<string, string>> = {
  aarch64, arm, loongarch64, m68k, mips, mips64, mips64n32, parisc, parisc64,
  ppc, ppc64, riscv64, s390, s390x, sh, x32, x86, x86_64,
};

const parsed = new Map<string, ReadonlyMap<string, number>>();

function parse(table: string): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  let number = 0;
  for (const word of (TABLES[table] ?? "").split(" ")) {
    const colon = word.indexOf(":");
    if (colon >= 0) number = Number(word.slice(0, colon));
    numbers.set(word.slice(colon + 1), number++);
  }
  return numbers;
}

/** Name → number without the architecture's base, in order of number. */
export function syscallTable(arch: SeccompArch): ReadonlyMap<string, number> {
  const { table } = archInfo(arch);
  let numbers = parsed.get(table);
  if (numbers === undefined) {
    numbers = parse(table);
    parsed.set(table, numbers);
  }
  return numbers;
}

/** The number as the kernel sees it (x32 bit and mips base included); undefined where the architecture has none. */
export function syscallNumber(arch: SeccompArch, name: string): number | undefined {
  const number = syscallTable(arch).get(name);
  return number === undefined ? undefined : number + archInfo(arch).base;
}

export function syscallName(arch: SeccompArch, number: number): string | undefined {
  const wanted = number - archInfo(arch).base;
  for (const [name, candidate] of syscallTable(arch)) {
    if (candidate === wanted) return name;
  }
  return undefined;
}

/** Whether any architecture knows the name; profiles list calls of many architectures and of newer kernels. */
export function isKnownSyscall(name: string): boolean {
  return multiplexer(name) !== undefined || allArches().some((arch) => syscallTable(arch).has(name));
}

export interface Multiplexed {
  readonly via: "socketcall" | "ipc";
  /** Its first argument; undefined for socketcall(2) and ipc(2) themselves. */
  readonly call: number | undefined;
}

let multiplexed: ReadonlyMap<string, Multiplexed> | undefined;

/** The system call that carries `name` on architectures that multiplex. */
export function multiplexer(name: string): Multiplexed | undefined {
  multiplexed ??= new Map<string, Multiplexed>([
    ["socketcall", { via: "socketcall", call: undefined }],
    ["ipc", { via: "ipc", call: undefined }],
    ...Object.entries(SOCKET_CALLS).map(([key, call]) => [key, { via: "socketcall", call }] as const),
    ...Object.entries(IPC_CALLS).map(([key, call]) => [key, { via: "ipc", call }] as const),
  ]);
  return multiplexed.get(name);
}

/** First argument of socketcall(2), `SYS_*` of <linux/net.h>. */
const SOCKET_CALLS: Readonly<Record<string, number>> = {
  socket: 1,
  bind: 2,
  connect: 3,
  listen: 4,
  accept: 5,
  getsockname: 6,
  getpeername: 7,
  socketpair: 8,
  send: 9,
  recv: 10,
  sendto: 11,
  recvfrom: 12,
  shutdown: 13,
  setsockopt: 14,
  getsockopt: 15,
  sendmsg: 16,
  recvmsg: 17,
  accept4: 18,
  recvmmsg: 19,
  sendmmsg: 20,
};

/** First argument of ipc(2), <linux/ipc.h>. */
const IPC_CALLS: Readonly<Record<string, number>> = {
  semop: 1,
  semget: 2,
  semctl: 3,
  semtimedop: 4,
  msgsnd: 11,
  msgrcv: 12,
  msgget: 13,
  msgctl: 14,
  shmat: 21,
  shmdt: 22,
  shmget: 23,
  shmctl: 24,
};
