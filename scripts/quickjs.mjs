/** Brings QuickJS's source and compiles it: the engine of the verbs that count, inside the standalone executable. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, ROOT, run, runAll } from "./tools.mjs";

export const VERSION = "2025-04-26";
/** Debian keeps the source as its author published it. */
const FILE = "quickjs_2025.04.26.orig.tar.xz";
const SHA256 = "ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe";
const FOLDER = join(ROOT, "dist/quickjs");
const SOURCES = ["quickjs", "libregexp", "libunicode", "cutils", "dtoa"];
/** As QuickJS's own Makefile has it: signed numbers may overflow. */
const FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", `-DCONFIG_VERSION="${VERSION}"`, "-fwrapv", "-O3", "-fno-pie", "-w"];

/** The Debian mirror that this machine's apt is set up with: known also where no list has been downloaded yet. */
function mirror() {
  const folder = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ];
  const text = files.map((file) => (existsSync(file) ? readFileSync(file, "utf8") : "")).join("\n");
  const found = /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(\S+\/debian)\/?(?:\s|$)/m.exec(text);
  if (found !== null) return found[1];
  throw new BuildError(`apt knows no Debian mirror; set QUICKJS_SOURCE to a copy of ${FILE}`);
}

/** apt checks the sum, also of a copy that the builder brought. */
function download(to) {
  const given = process.env.QUICKJS_SOURCE;
  const from = given === undefined ? `${mirror()}/pool/main/q/quickjs/${FILE}` : `file://${given}`;
  const helper = "/usr/lib/apt/apt-helper";
  if (!existsSync(helper)) throw new BuildError("QuickJS's source is brought by apt, which is not installed");
  const options = ["-qq", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3"];
  run(helper, [...options, "download-file", from, to, `SHA256:${SHA256}`]);
}

function unpack() {
  const archive = join(FOLDER, FILE);
  const source = join(FOLDER, "source");
  if (existsSync(source)) return source;
  mkdirSync(FOLDER, { recursive: true });
  const made = `${source}.new`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made);
  download(archive);
  run("tar", ["-xf", archive, "-C", made, "--strip-components=1"]);
  renameSync(made, source);
  return source;
}

/** Compiles what has not been compiled yet; the paths of the objects and of the headers' folder. */
export async function buildQuickjs(compiler) {
  const source = unpack();
  const object = (name) => join(FOLDER, `${name}.o`);
  const missing = SOURCES.filter((name) => !existsSync(object(name)));
  await runAll(
    missing.map((name) => [compiler, [...FLAGS, "-c", join(source, `${name}.c`), "-o", `${object(name)}.new`]]),
  );
  for (const name of missing) renameSync(`${object(name)}.new`, object(name));
  return { include: source, objects: SOURCES.map(object) };
}
