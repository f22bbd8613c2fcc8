/** Has tsrunc-init execute ops of the launcher, and reads what it reports. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import type { TsruncError } from "../../../src/errors.ts";
import { labelOf, opError, readReports } from "../../../src/init/report.ts";
import { encode } from "../../../src/program/encode.ts";
import type { Op } from "../../../src/program/ops.ts";

const INIT = fileURLToPath(new URL("../../../dist/native/tsrunc-init", import.meta.url));

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly failures: readonly TsruncError[];
  readonly warnings: readonly TsruncError[];
  readonly milliseconds: number;
}

export async function runOps(directory: string, launcher: readonly Op[], init: readonly Op[] = []): Promise<Ran> {
  const program = { launcher, init, cleanup: [], cleanupFrom: 0, keepFds: 0 };
  const bytes = encode(program, { reporter: [], context: "", timings: false });
  const file = `${directory}/program-${crypto.randomUUID()}`;
  fs.writeFileSync(file, bytes);
  const fd = fs.openSync(file, "r+");
  const begin = performance.now();
  const child = spawn(INIT, ["3"], { stdio: ["ignore", "ignore", "inherit", fd] });
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once("exit", (code, by) => resolve([code, by]));
  });
  const milliseconds = performance.now() - begin;
  const reports = readReports(fs.readFileSync(file), bytes.length);
  fs.closeSync(fd);
  fs.rmSync(file, { force: true });
  const errors = (kind: string) =>
    reports
      .filter((report) => report.kind === kind)
      .map((report) => opError(report, labelOf((report.list === "init" ? init : launcher)[report.index] as Op)));
  return { status, signal, failures: errors("failure"), warnings: errors("warning"), milliseconds };
}
