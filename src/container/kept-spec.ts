/** The config that is kept with a container. */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseJson } from "../spec/json.ts";
import { parseSpec } from "../spec/load.ts";
import type { Spec } from "../spec/types.ts";
import { CONFIG_FILE, containerDirectory, loadConfigText, STATE_FILE } from "./store.ts";

/**
 * It was checked when the container was created, and is not checked again, which takes a tenth of an `exec`, unless
 * somebody has written to it since: `create` writes the state last.
 *
 * @throws TsruncError `io`, `config`
 */
export function loadKeptSpec(root: string, id: string): Spec {
  const directory = containerDirectory(root, id);
  const file = path.join(directory, CONFIG_FILE);
  const text = loadConfigText(root, id);
  if (changedAt(file) > changedAt(path.join(directory, STATE_FILE))) return parseSpec(text, file).spec;
  return parseJson(text, file) as Spec;
}

/** Of the inode, which nobody can set at will. */
function changedAt(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? Number.POSITIVE_INFINITY;
}
