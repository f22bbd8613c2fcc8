import { TsruncError } from "../errors.ts";
import { nearest } from "../spec/schema-problems.ts";

/** signal(7), in the order of the numbers of x86, arm and most others. */
const NAMES =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";
const ALIASES: Readonly<Record<string, string>> = { IOT: "ABRT", POLL: "IO", CLD: "CHLD", UNUSED: "SYS" };
/** As the C library counts: it keeps 32 and 33 for itself. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A number, or a name with or without SIG, in any case; real-time signals as `RTMIN+3`. @throws TsruncError `usage` */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number <= SIGRTMAX) return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const index = signalNames().indexOf(ALIASES[name] ?? name);
  if (index >= 0) return index + 1;
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime !== null) {
    const base = realtime[1] === "MIN" ? SIGRTMIN : SIGRTMAX;
    const number = base + (realtime[2] === "-" ? -1 : 1) * Number(realtime[3] ?? 0);
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  const near = nearest(name, signalNames());
  if (near !== undefined) throw new TsruncError("usage", `unknown signal \`${text}\`; did you mean \`${near}\`?`);
  throw new TsruncError("usage", `unknown signal \`${text}\``, {
    hint: "a number from 0 to 64, or a name such as TERM or SIGTERM",
  });
}

export function signalNames(): readonly string[] {
  return NAMES.split(" ");
}
