import { hostArch, readSeccompProfile, readSeccompSource } from "../../container/seccomp-source.ts";
import { TsruncError } from "../../errors.ts";
import { disasmReport, explainReport, statsReport } from "../../seccomp/report.ts";
import type { Call } from "../call.ts";
import { print } from "../log.ts";

const USAGE =
  "`seccomp disasm BUNDLE|FILE`, `seccomp stats BUNDLE|FILE` or `seccomp explain BUNDLE|FILE SYSCALL [ARG…]`";

export function seccompVerb({ args }: Call): number {
  print(report(args));
  return 0;
}

function report([action, source = ".", ...rest]: readonly string[]): string {
  const [call, ...values] = rest;
  if (action === "explain" && call !== undefined)
    return explainReport(readSeccompProfile(source), call, values, hostArch());
  if (call === undefined && action === "disasm") return disasmReport(readSeccompSource(source), hostArch());
  if (call === undefined && action === "stats") return statsReport(readSeccompProfile(source), hostArch());
  throw new TsruncError("usage", `\`seccomp\`: expected ${USAGE}`);
}
