/** Two builds in two directories are the same bytes. Needs `npm run build`, whose sources are built once more. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const CHECKOUT = path.resolve(import.meta.dir, "../..");
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "reproducible-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** The sources as they are now, with the repository, from which version and date are. */
function copySources(to: string): void {
  const files = run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], CHECKOUT).split("\0");
  for (const file of files.filter((name) => name !== "" && existsSync(path.join(CHECKOUT, name)))) {
    mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    cpSync(path.join(CHECKOUT, file), path.join(to, file));
  }
  for (const name of [".git", "node_modules"]) symlinkSync(path.join(CHECKOUT, name), path.join(to, name));
}

test("the packages of a build elsewhere, by a builder with other habits, are the same bytes", () => {
  const elsewhere = path.join(directory, "a path of another length, with blanks");
  copySources(elsewhere);
  const env = {
    ...{ PATH: process.env.PATH, HOME: directory, TZ: "Pacific/Auckland", LC_ALL: "C", USER: "somebody" },
    TSRUNC_SOURCES: path.join(CHECKOUT, "dist/quickjs"),
  };
  run("sh", ["-c", "umask 077; exec node scripts/build.mjs"], elsewhere, env);
  const sums = [CHECKOUT, elsewhere].map((place, i) => {
    const out = path.join(directory, `packages-${i}`);
    run("node", ["scripts/package.mjs", "--out", out], place);
    return readFileSync(path.join(out, "SHA256SUMS"), "utf8");
  });
  expect(sums[1]).toBe(sums[0] ?? "");
}, 900_000);
