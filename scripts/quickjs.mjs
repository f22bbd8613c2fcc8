/** Brings QuickJS's source and compiles it: the engine of the executable. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError, ROOT, run, runAll } from "./tools.mjs";

export const VERSION = "0.16.2";
/** Debian keeps the source as its author published it. */
const FILE = "quickjs-ng_0.16.2.orig.tar.gz";
const POOL = "pool/main/q/quickjs-ng";
export const SHA256 = "6ee0c983477c9b145909d873ed1a57422001927f7706b63859abf8e816d2d88c";
const FOLDER = join(ROOT, "dist/quickjs");
/** What {@link FILE} holds. */
export const SOURCE = join(FOLDER, VERSION);
/** Each with how it is optimized: tables of characters and the text of fractions are hardly needed, and shall be small. */
const SOURCES = { quickjs: "-O3", libregexp: "-O3", libunicode: "-Os", dtoa: "-Os" };
/** As QuickJS's own Makefile has it: signed numbers may overflow. */
const FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", `-DCONFIG_VERSION="${VERSION}"`, "-funsigned-char", "-w"];
const LEAN = ["-fno-pie", "-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables"];

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
  throw new BuildError(`apt knows no Debian mirror; set TSRUNC_SOURCES to a directory that has ${FILE}`);
}

/** A copy that the builder brought, or apt's, checked by its sum. */
function download(to) {
  const given = process.env.TSRUNC_SOURCES;
  if (given !== undefined) {
    const file = join(given, FILE);
    if (!existsSync(file)) throw new BuildError(`TSRUNC_SOURCES has no ${FILE}`);
    const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
    if (sum !== SHA256) throw new BuildError(`\`${file}\` has the SHA-256 sum ${sum}; wanted is ${SHA256}`);
    copyFileSync(file, to);
    return;
  }
  const helper = "/usr/lib/apt/apt-helper";
  if (!existsSync(helper)) {
    throw new BuildError(
      `apt is not installed, which brings QuickJS's source; set TSRUNC_SOURCES to a directory that has ${FILE}`,
    );
  }
  const options = ["-qq", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3"];
  run(helper, [...options, "download-file", `${mirror()}/${POOL}/${FILE}`, to, `SHA256:${SHA256}`]);
}

function unpack() {
  const archive = join(FOLDER, FILE);
  if (existsSync(SOURCE)) return;
  mkdirSync(FOLDER, { recursive: true });
  const made = `${SOURCE}.new`;
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made);
  download(archive);
  run("tar", ["-xf", archive, "-C", made, "--strip-components=1"]);
  renameSync(made, SOURCE);
}

/** Compiles what has not been compiled yet: the headers' folder, the objects, and flags for what includes the headers. */
export async function quickjs(toolchain) {
  unpack();
  // The names of files are in its assertions: the directory of the build is none of what is built.
  const flags = [...FLAGS, ...LEAN, `-ffile-prefix-map=${FOLDER}=.`, ...toolchain.flags];
  const key = createHash("sha256")
    .update([...flags, ...Object.values(SOURCES)].join(" "))
    .digest("hex")
    .slice(0, 8);
  const folder = join(FOLDER, `${VERSION}-${toolchain.arch}-${toolchain.compiler.split("/").at(-1)}-${key}`);
  mkdirSync(folder, { recursive: true });
  const object = (name) => join(folder, `${name}.o`);
  const missing = Object.keys(SOURCES).filter((name) => !existsSync(object(name)));
  await runAll(
    missing.map((name) => [
      toolchain.compiler,
      [...flags, SOURCES[name], "-c", join(SOURCE, `${name}.c`), "-o", `${object(name)}.new`],
    ]),
  );
  for (const name of missing) renameSync(`${object(name)}.new`, object(name));
  return { include: SOURCE, objects: Object.keys(SOURCES).map(object), flags: [] };
}
