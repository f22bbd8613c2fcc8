import { prepareCreate } from "../container/create.ts";
import { labelsOf } from "../init/report.ts";
import { encode } from "../program/encode.ts";
import { defaultSpec } from "../spec/defaults.ts";
import { errnoName, errnoText } from "../sys/errno.ts";
import { openLog } from "./log.ts";
import { parseCommandLine } from "./parse.ts";

/** Where {@link warmUp} finds its bundle. */
export const BUNDLE = "/bundle";

/** A config.json with what engines write and `tsrunc spec` does not: limits, a filter, and no terminal. */
export function warmUpConfig(cgroup2: boolean): string {
  const spec = defaultSpec({ cgroup2 });
  const resources = { ...spec.linux?.resources, memory: { limit: 1 << 26 }, cpu: { shares: 512 }, pids: { limit: 9 } };
  const seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] };
  return JSON.stringify({
    ...spec,
    process: { ...spec.process, terminal: false },
    linux: { ...spec.linux, resources, seccomp },
  });
}

/**
 * Does once, where nothing comes of it, what the verbs do: tables are filled, regular expressions compiled and built-in
 * functions made. Half of a process's time would go there (measured). It is done on a machine that is pretended.
 */
export function warmUp(): void {
  const bundle = BUNDLE;
  const log = openLog({ format: "text", debug: false });
  for (const words of ["--root /x run --bundle /y -d z", "state z", "kill z 9", "delete -f z", "exec -d z true"]) {
    parseCommandLine(words.split(" "));
  }
  errnoText(errnoName(1));
  const context = {
    ...({
      root: `${bundle}/root`,
      rootGiven: true,
      log,
      logFormat: "text",
      debug: false,
      programName: "tsrunc",
    } as const),
    cgroupManager: "cgroupfs" as const,
    perform: () => 0,
  };
  const options = { id: "warm-up", bundle, noPivot: false, noNewKeyring: false, preserveFds: 0 };
  const run = { ...options, detach: false, keep: false, noSubreaper: false };
  for (const mode of ["create", "run"] as const) {
    const { program } = prepareCreate(context, options, mode, run);
    encode(program, { reporter: [], context: JSON.stringify(labelsOf(program)), timings: false, fault: undefined });
  }
}
