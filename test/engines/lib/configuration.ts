/** The configuration that the README shows, with the path of the runtime under test. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { runtimePath } from "./workspace.ts";

const INSTALLED = "/usr/local/bin/tsrunc";

/** Reads one of the files in `config/`, which stand in the README word for word. */
export function shownConfiguration(name: "daemon.json" | "containers.conf" | "containerd.toml"): string {
  const text = readFileSync(path.resolve(import.meta.dirname, "../config", name), "utf8");
  if (!text.includes(INSTALLED)) throw new Error(`\`${name}\` names no runtime`);
  return text.replaceAll(INSTALLED, runtimePath());
}
