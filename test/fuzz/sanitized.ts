/** Building C programs of tests with the address and undefined-behaviour sanitizers. */
import { expect } from "bun:test";

const FLAGS =
  "-std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-unused-function";

/** For the environment of what was built so. Leaks are none: every program ends with its process. */
export const SANITIZER_ENV = {
  ASAN_OPTIONS: "detect_leaks=0:allocator_may_return_null=1",
  UBSAN_OPTIONS: "print_stacktrace=1",
};

export function compileSanitized(out: string, sources: readonly string[], flags: readonly string[]): void {
  const words = [...FLAGS.split(" "), ...flags, "-o", out, ...sources];
  const built = Bun.spawnSync(["gcc", ...words], { stderr: "pipe" });
  expect([built.exitCode, built.stderr.toString()]).toEqual([0, ""]);
}
