/** What `--version` says. */

/** Set by the build (`--define`). */
declare const TSRUNC_VERSION: string | undefined;
declare const TSRUNC_COMMIT: string | undefined;

/** Newest version of the runtime-spec that is implemented. */
export const SPEC_VERSION = "1.3.0";

export function version(): string {
  return typeof TSRUNC_VERSION === "string" ? TSRUNC_VERSION : "0.0.0-dev";
}

export function commit(): string {
  return typeof TSRUNC_COMMIT === "string" ? TSRUNC_COMMIT : "unknown";
}

/** Docker reads `NAME version X` and `commit: Y`. */
export function versionText(programName: string): string {
  return `${programName} version ${version()}\ncommit: ${commit()}\nspec: ${SPEC_VERSION}\n`;
}
