/** What the build scripts share: running tools, finding the compilers, knowing what is out of date. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
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

function works(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** The first of the commands that can be run with the given arguments. */
function firstWorking(commands, args, missing) {
  const found = commands.find((command) => works(command, args));
  if (found === undefined) throw new BuildError(missing);
  return found;
}

/** Bun from npm. Where npm did not run bun's postinstall, `bin/bun` is a stub and the platform's package has it. */
export function findBun() {
  const packages = join(ROOT, "node_modules/@oven");
  const direct = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name, "bin/bun")) : [];
  const commands = [join(ROOT, "node_modules/.bin/bun"), ...direct];
  return firstWorking(commands, ["--version"], "bun is not installed; run `npm ci` first");
}

/** The C compiler for tsrunc-init: musl where it is installed, for a smaller static program. */
export function findStaticCompiler() {
  if (process.env.CC) return process.env.CC;
  const missing = "no C compiler; install the Debian packages `gcc` and `musl-tools` (or `libc6-dev`)";
  return firstWorking(["musl-gcc", "cc"], ["--version"], missing);
}

/** musl-gcc hides the kernel's headers with glibc's: they are put back, after musl's own. */
export function kernelHeaderFlags(compiler) {
  if (!compiler.endsWith("musl-gcc")) return [];
  const triple = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  return ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${triple}`];
}

/** What `tsrunc --version` says, as `--define`s: the package's version and the commit, where there is one. */
export function versionDefines() {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const git = spawnSync("git", ["rev-parse", "HEAD"], { cwd: ROOT, encoding: "utf8" });
  const commit = git.status === 0 ? git.stdout.trim() : "unknown";
  const define = (name, value) => ["--define", `${name}=${JSON.stringify(value)}`];
  return [...define("TSRUNC_VERSION", version), ...define("TSRUNC_COMMIT", commit)];
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
