/** Functions of the library that check what they are called with, as the methods of `Runtime` do. */
import { checkArgument, checkOptions, SPEC_OPTIONS } from "./arguments.ts";
import { resolveRoot } from "./container/context.ts";
import * as state from "./container/state.ts";
import * as load from "./spec/load.ts";
import * as quick from "./spec/quick.ts";
import type { Spec } from "./spec/types.ts";
import type { ValidateOptions } from "./spec/validate.ts";

/**
 * Reads and checks config.json of a bundle, for this machine.
 *
 * @throws TsruncError `config` with every problem, `usage`
 */
export function loadSpec(bundle: string, options?: ValidateOptions): load.LoadedSpec {
  checkArgument("loadSpec", "bundle", "path", bundle);
  return load.loadSpec(bundle, options);
}

/** {@link loadSpec} of a text; `file` is for messages. */
export function parseSpec(text: string, file = "config.json", options?: ValidateOptions): load.LoadedSpec {
  // A NUL in it is told with its place.
  if (typeof text !== "string") checkArgument("parseSpec", "text", "text", text);
  checkArgument("parseSpec", "file", "text", file);
  return load.parseSpec(text, file, options);
}

/** The spec with the options of `tsrunc spec` applied. @throws TsruncError `usage` */
export function applySpecOptions(spec: Spec, options: quick.SpecOptions): Spec {
  checkArgument("applySpecOptions", "spec", "document", spec);
  return quick.applySpecOptions(spec, checkOptions("applySpecOptions", SPEC_OPTIONS, options));
}

/** The state of a container below a root directory. @throws TsruncError `not-found`, `usage` */
export function readState(root: string, id: string): state.OciState {
  checkArgument("readState", "root", "path", root);
  checkArgument("readState", "id", "text", id);
  return state.readState(resolveRoot(root), id);
}
