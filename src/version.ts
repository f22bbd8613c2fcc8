/** What this build is. */

import { OCI_VERSION } from "./spec/defaults.ts";

/** Set by the build (`--define`). */
declare const TSRUNC_VERSION: string | undefined;
declare const TSRUNC_COMMIT: string | undefined;

export function version(): string {
  return typeof TSRUNC_VERSION === "string" ? TSRUNC_VERSION : "0.0.0-dev";
}

export function commit(): string {
  return typeof TSRUNC_COMMIT === "string" ? TSRUNC_COMMIT : "unknown";
}

/** What `--version` says: Docker reads `NAME version X` and `commit: Y`. */
export function versionText(programName: string): string {
  return `${programName} version ${version()}\ncommit: ${commit()}\nspec: ${OCI_VERSION}\n`;
}
