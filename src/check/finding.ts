/** What `tsrunc check` finds in a bundle. */
export interface Finding {
  /** An error keeps the container from being created or started here; a warning is what hardly was meant so. */
  readonly severity: "error" | "warning";
  /** JSON pointer into config.json, "" for the whole. */
  readonly at: string;
  /** Lower case, no full stop, objects in backquotes. */
  readonly message: string;
  readonly hint?: string;
}

/** Collects findings. Of several errors at one place the first is kept: the others follow from it. */
export class Findings {
  readonly #found: Finding[] = [];

  error(at: string, message: string, hint?: string): void {
    if (this.#found.some((other) => other.severity === "error" && other.at === at)) return;
    this.#found.push({ severity: "error", at, message, ...(hint === undefined ? {} : { hint }) });
  }

  warning(at: string, message: string, hint?: string): void {
    if (this.#found.some((other) => other.at === at && other.message === message)) return;
    this.#found.push({ severity: "warning", at, message, ...(hint === undefined ? {} : { hint }) });
  }

  /** Errors first, each kind in the order in which it was found. */
  all(): readonly Finding[] {
    const of = (severity: Finding["severity"]) => this.#found.filter((found) => found.severity === severity);
    return [...of("error"), ...of("warning")];
  }
}
