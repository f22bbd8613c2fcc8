/** What the build scripts share: running tools, knowing what is out of date. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A build step failed in a way the builder can mend; its message is all that is shown. */
export class BuildError extends Error {}

/** Runs a command in the project's root with its output shown; throws {@link BuildError} when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (result.error) throw new BuildError(`cannot run \`${command}\`: ${result.error.message}`);
  if (result.status === 0) return;
  const end = result.signal ? `was killed by ${result.signal}` : `ended with status ${result.status}`;
  throw new BuildError(`\`${command} ${args.slice(0, 3).join(" ")} …\` ${end}`);
}

/** Runs commands, [command, args] each, at the same time; throws {@link BuildError} when one fails. */
export async function runAll(commands) {
  await Promise.all(
    commands.map(
      ([command, args]) =>
        new Promise((resolve, reject) => {
          const fail = (end) => reject(new BuildError(`\`${command} ${args.slice(-3).join(" ")}\` ${end}`));
          const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
          child.on("error", (error) => fail(error.message));
          child.on("exit", (status) => (status === 0 ? resolve() : fail(`ended with status ${status}`)));
        }),
    ),
  );
}

/** Bun from npm, which runs the tests. Where npm did not run bun's postinstall, `bin/bun` is a stub and the platform's package has it. */
export function findBun() {
  const packages = join(ROOT, "node_modules/@oven");
  const direct = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name, "bin/bun")) : [];
  const commands = [join(ROOT, "node_modules/.bin/bun"), ...direct];
  const found = commands.find((command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0);
  if (found === undefined) throw new BuildError("bun is not installed; run `npm ci` first");
  return found;
}

/** What `tsrunc --version` says, as constants of the bundles: the package's version and the commit, where there is one. */
export function versionConstants() {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const git = spawnSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" });
  const commit = git.status === 0 ? git.stdout.trim() : "unknown";
  return { TSRUNC_VERSION: JSON.stringify(version), TSRUNC_COMMIT: JSON.stringify(commit) };
}

/**
 * The one date that is in what is built and packed: of SOURCE_DATE_EPOCH or, where there is a repository, the last commit;
 * else of package.json, which is packed with its date.
 */
export function sourceDate() {
  const git = () => spawnSync("git", ["log", "-1", "--format=%ct"], { cwd: ROOT, encoding: "utf8" }).stdout?.trim();
  const seconds = process.env.SOURCE_DATE_EPOCH || git();
  return seconds ? new Date(Number(seconds) * 1000) : statSync(join(ROOT, "package.json")).mtime;
}

/** The files of a folder with one of the extensions, sorted; none when the folder is missing. */
export function filesIn(folder, ...extensions) {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  const names = readdirSync(path).filter((name) => extensions.some((extension) => name.endsWith(extension)));
  return names.sort().map((name) => join(path, name));
}

/** Whether `output` is missing or older than one of `inputs`. */
export function isStale(output, inputs) {
  if (!existsSync(output)) return true;
  const made = statSync(output).mtimeMs;
  return inputs.some((input) => statSync(input).mtimeMs > made);
}

/** Bytes as people read them: `61.4 KB`. */
export function showSize(path) {
  const { size } = statSync(path);
  return size < 1e6 ? `${(size / 1e3).toFixed(1)} KB` : `${(size / 1e6).toFixed(1)} MB`;
}
