/**
 * `tsrunc check`: what is wrong with a bundle on this host, before anyone runs it: the schema, the rules of the
 * specification, what the host lacks, and whether it compiles. All of it at once where that is possible.
 */
import * as os from "node:os";
import * as path from "node:path";
import type { Context } from "../container/context.ts";
import { prepareCreate } from "../container/create.ts";
import { readHostFacts } from "../container/host-facts.ts";
import type { CreateOptions } from "../container/options.ts";
import { absolutePath, maybeAbsolute } from "../container/paths.ts";
import { TsruncError } from "../errors.ts";
import { unknownSyscalls } from "../seccomp/compile.ts";
import { inspectSpec } from "../spec/load.ts";
import type { Spec } from "../spec/types.ts";
import { type Finding, Findings } from "./finding.ts";
import {
  type CheckInput,
  checkControllers,
  checkDevicesOfHost,
  checkHookFiles,
  checkKernel,
  checkLabels,
  checkMountsOfHost,
  checkNamespacesOfHost,
  checkNetDevicesOfHost,
  checkRights,
  checkRlimitsOfHost,
  checkSizes,
  checkSysctlFiles,
} from "./host.ts";
import { checkProgram } from "./program.ts";

const HOST_CHECKS: readonly ((input: CheckInput) => void)[] = [
  checkRights,
  checkNamespacesOfHost,
  checkControllers,
  checkMountsOfHost,
  checkLabels,
  checkDevicesOfHost,
  checkNetDevicesOfHost,
  checkHookFiles,
  checkSysctlFiles,
  checkRlimitsOfHost,
  checkSizes,
  checkSeccomp,
];

/** Reads the bundle and the host; changes nothing. */
export function checkBundle(context: Context, options: CreateOptions): readonly Finding[] {
  const found = new Findings();
  const bundle = absolutePath(options.bundle, "the bundle");
  const spec = inspect(bundle, maybeAbsolute(options.config, "flag `--config`"), found);
  if (spec === undefined) return found.all();
  const input = { spec, bundle, facts: readHostFacts(context, spec), found };
  for (const check of HOST_CHECKS) check(input);
  checkKernel(input, os.release());
  checkProgram(spec, path.resolve(bundle, spec.root?.path ?? "rootfs"), found);
  compile(context, options, found);
  return found.all();
}

function inspect(bundle: string, config: string | undefined, found: Findings): Spec | undefined {
  try {
    const { spec, problems, warnings } = inspectSpec(bundle, config);
    for (const { at, message } of problems) found.error(at, message);
    for (const { at, message } of warnings) found.warning(at, message);
    return spec;
  } catch (error) {
    addError(error, found);
    return undefined;
  }
}

/** What only the compiler finds. A terminal is no fault of a bundle: whoever runs it gives one. */
function compile(context: Context, options: CreateOptions, found: Findings): void {
  const warnings: string[] = [];
  const log = { ...context.log, warn: (message: string) => void warnings.push(message) };
  try {
    const { warnings: more } = prepareCreate({ ...context, log }, options, "run");
    warnings.push(...more);
  } catch (error) {
    addError(error, found);
  }
  for (const warning of warnings) addWarning(warning, found);
}

function addError(error: unknown, found: Findings): void {
  if (!(error instanceof TsruncError)) throw error;
  if (error.problems.length === 0) found.error(error.at ?? "", error.message, error.hint);
  for (const { at, message } of error.problems) found.error(at, message);
}

/** Warnings are lines that begin with their pointer. */
function addWarning(line: string, found: Findings): void {
  const at = /^(\/\S*): /.exec(line);
  if (at === null) found.warning("", line);
  else found.warning(at[1] ?? "", line.slice(at[0].length));
}

function checkSeccomp({ spec, found }: CheckInput): void {
  const profile = spec.linux?.seccomp;
  if (profile === undefined) return;
  const unknown = new Set(unknownSyscalls(profile));
  for (const [i, { names }] of (profile.syscalls ?? []).entries())
    for (const [j, name] of names.entries())
      if (unknown.has(name))
        found.warning(
          `/linux/seccomp/syscalls/${i}/names/${j}`,
          `system call \`${name}\` is not known to any architecture`,
        );
}
