/** The 2^32 system call numbers of one AUDIT_ARCH_* as runs of equal treatment. */

import { ENOSYS, RET_ERRNO, RET_KILL_THREAD, X32_BIT } from "./constants.ts";
import { ARM_PRIVATE, type ArchRules, type Decision } from "./rules.ts";
import { syscallTable } from "./syscalls.ts";

/** libseccomp's default for an architecture that the filter does not have (SCMP_FLTATR_ACT_BADARCH), which runc keeps. */
export const BAD_ARCH = RET_KILL_THREAD;
export const RETURN_ENOSYS = RET_ERRNO | ENOSYS;

/** What a run of numbers gets: a value at once, or rules on the arguments. */
export type Leaf = number | Decision;

export interface Segment {
  /** First number; the segment ends before the next one's. */
  readonly start: number;
  readonly leaf: Leaf;
  /** How often it is expected to be looked up. */
  readonly weight: number;
}

export interface Background {
  readonly start: number;
  readonly value: number;
}

/** Calls that programs make most, with their share; a call that is not here counts as 1. */
const HOT =
  "read=60 write=60 futex=60 futex_time64=60 epoll_wait=40 epoll_pwait=40 openat=30 close=30 recvfrom=30 sendto=30" +
  " recvmsg=20 sendmsg=20 clock_gettime=20 clock_gettime64=20 fstat=15 newfstatat=15 lseek=15 pread64=15 pwrite64=15" +
  " readv=15 writev=15 mmap=15 mmap2=15 munmap=15 poll=15 ppoll=15 epoll_ctl=10 mprotect=10 madvise=10 fcntl=10" +
  " fcntl64=10 ioctl=10 stat=10 statx=10 nanosleep=10 clock_nanosleep=10 sched_yield=10 getpid=10 gettid=10" +
  " rt_sigprocmask=10 rt_sigaction=10 io_uring_enter=10 accept4=5 brk=5 getdents64=5 getrandom=5 socketcall=10";

/**
 * The segments for architectures that share one AUDIT_ARCH_* (one, or x86_64 with x32), in order of number. `stub`:
 * whether numbers above the profile's largest get ENOSYS.
 */
export function segmentsOf(group: readonly ArchRules[], fallback: number, stub: boolean): readonly Segment[] {
  const background = backgroundOf(group, fallback, stub);
  const weights = weightsOf(group);
  const segments: Growing[] = [];
  let next = 0;
  for (const owner of group.toSorted((a, b) => a.info.base - b.info.base)) {
    for (const [number, decision] of owner.decisions) {
      // The stub of runc stands in front of the rules: see backgroundOf().
      if (number === 0 && stub && isS390(owner)) continue;
      if (next < number) addBackground(segments, background, next, number);
      addSegment(segments, number, decision.ret ?? decision, weights.get(number) ?? 1);
      next = number + 1;
    }
  }
  addBackground(segments, background, next, NUMBERS);
  return segments;
}

/** How many system call numbers there are. */
const NUMBERS = 0x100000000;

interface Growing {
  readonly start: number;
  readonly leaf: Leaf;
  weight: number;
}

function addSegment(segments: Growing[], start: number, leaf: Leaf, weight: number): void {
  const last = segments.at(-1);
  if (last !== undefined && last.leaf === leaf) last.weight += weight - 1;
  else segments.push({ start, leaf, weight });
}

function addBackground(segments: Growing[], background: readonly Background[], from: number, to: number): void {
  for (let i = 0; i < background.length; i++) {
    const start = Math.max(from, background[i]!.start);
    const end = Math.min(to, background[i + 1]?.start ?? NUMBERS);
    if (start < end) addSegment(segments, start, background[i]!.value, 1);
  }
}

function weightsOf(group: readonly ArchRules[]): ReadonlyMap<number, number> {
  const weights = new Map<number, number>();
  const shares = HOT.split(" ").map((word) => word.split("="));
  for (const { arch, info } of group) {
    const table = syscallTable(arch);
    for (const [name, share] of shares) {
      const number = table.get(name ?? "");
      if (number !== undefined) weights.set(number + info.base, Number(share));
    }
  }
  return weights;
}

function isS390({ info }: ArchRules): boolean {
  return info.table === "s390" || info.table === "s390x";
}

/**
 * What numbers without a rule get. Numbers above the largest that the profile names belong to calls newer than the
 * profile: with a default action that denies, they get ENOSYS, so that a libc falls back to an older call (runc
 * since 1.0.0-rc93, libcontainer/seccomp/patchbpf).
 */
export function backgroundOf(group: readonly ArchRules[], fallback: number, stub: boolean): readonly Background[] {
  const x64 = group.find(({ info }) => info.table === "x86_64");
  const x32 = group.find(({ info }) => info.table === "x32");
  if (x64 !== undefined || x32 !== undefined) return backgroundOfX86(x64, x32, fallback, stub);
  const owner = group[0]!;
  const ranges: Background[] = [{ start: 0, value: fallback }];
  if (!stub) return ranges;
  if (isS390(owner) && newest(owner.largest) !== undefined) {
    // s390 passes the number of a large call in a register with nr 0; calls that the kernel does not know stay 0.
    ranges[0] = { start: 0, value: RETURN_ENOSYS };
    ranges.push({ start: 1, value: fallback });
  }
  if (owner.info.table === "arm") return [...ranges, ...backgroundOfArm(owner, fallback)];
  const last = newest(owner.largest);
  if (last !== undefined) ranges.push({ start: last + 1, value: RETURN_ENOSYS });
  return ranges;
}

/** runc takes 0 (read on x86_64) for "the profile names nothing". */
function newest(largest: number | undefined): number | undefined {
  return largest === 0 ? undefined : largest;
}

/**
 * Unlike runc, which lets cacheflush (0xf0002) count as the newest call of arm, so that no call would be newer: the
 * private calls are a range of their own.
 */
function backgroundOfArm({ largest, largestCommon }: ArchRules, fallback: number): readonly Background[] {
  const ranges: Background[] = [];
  const common = newest(largestCommon);
  if (common !== undefined) ranges.push({ start: common + 1, value: RETURN_ENOSYS });
  if (largest !== undefined && largest >= ARM_PRIVATE) {
    ranges.push({ start: ARM_PRIVATE, value: fallback }, { start: largest + 1, value: RETURN_ENOSYS });
  }
  return ranges;
}

/** Bit 30 tells x32 from x86_64; what has the bit of an ABI that the filter does not have is a bad architecture. */
function backgroundOfX86(
  x64: ArchRules | undefined,
  x32: ArchRules | undefined,
  fallback: number,
  stub: boolean,
): readonly Background[] {
  const last64 = stub ? newest(x64?.largest) : undefined;
  const last32 = stub ? newest(x32?.largest) : undefined;
  const base64 = x64 === undefined ? BAD_ARCH : fallback;
  const base32 = x32 === undefined ? BAD_ARCH : fallback;
  // Without the stub libseccomp takes every number from the bit upwards for x32.
  const above64 = last64 === undefined ? base32 : RETURN_ENOSYS;
  const above32 = last32 === undefined ? base32 : RETURN_ENOSYS;
  const ranges: Background[] = [{ start: 0, value: base64 }];
  if (last64 !== undefined) ranges.push({ start: last64 + 1, value: above64 });
  ranges.push({ start: X32_BIT, value: base32 });
  if (last32 !== undefined) ranges.push({ start: last32 + 1, value: above32 });
  ranges.push({ start: 0x80000000, value: above64 }, { start: 0xc0000000, value: above32 });
  // A tracer skips a call by setting its number to -1, and since Linux 4.8 the filter sees that.
  if (x32 === undefined) ranges.push({ start: 0xffffffff, value: fallback });
  return ranges;
}
