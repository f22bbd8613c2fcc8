/**
 * Makes the packages of all architectures that have been built: `node scripts/package.mjs [--out DIRECTORY]`. The same
 * sources give the same bytes.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { tar, xz } from "./package/archive.mjs";
import { debianPackage } from "./package/deb.mjs";
import { licenceFiles } from "./package/licences.mjs";
import { mainPackage, platformPackage } from "./package/npm.mjs";
import { billOfMaterials } from "./package/sbom.mjs";
import { ARCHITECTURES, toolchainFor } from "./toolchain.mjs";
import { BuildError, ROOT, showSize, sourceDate } from "./tools.mjs";

/** Where `npm run build` has put what it made for an architecture. */
function builtFor(arch) {
  const own = toolchainFor().arch === arch;
  const [executable, init] = own
    ? ["dist/tsrunc", "dist/native/tsrunc-init"]
    : [`dist/${arch}/tsrunc`, `dist/${arch}/tsrunc-init`];
  return { executable: join(ROOT, executable), init: join(ROOT, init) };
}

function contents(folder) {
  const path = join(ROOT, folder);
  if (!existsSync(path)) throw new BuildError(`there is no ${folder}: run \`npm run build\` first`);
  return Object.fromEntries(
    readdirSync(path)
      .sort()
      .map((name) => [name, readFileSync(join(path, name))]),
  );
}

/** What people unpack below a prefix such as /usr/local. */
function archive({ arch, version, date, executable, manuals, completions, licences }) {
  const name = `tsrunc-${version}-linux-${arch}`;
  const below = (folder, files) =>
    Object.fromEntries(Object.entries(files).map(([file, content]) => [`${folder}/${file}`, { content }]));
  const files = {
    "bin/tsrunc": { content: executable, mode: 0o755 },
    ...below("share/man/man8", manuals),
    "share/bash-completion/completions/tsrunc": { content: completions["tsrunc.bash"] },
    "share/zsh/site-functions/_tsrunc": { content: completions._tsrunc },
    "share/fish/vendor_completions.d/tsrunc.fish": { content: completions["tsrunc.fish"] },
    ...below("share/doc/tsrunc", { ...licences, "README.md": readFileSync(join(ROOT, "README.md")) }),
  };
  return { name: `${name}.tar.xz`, content: xz(tar(files, { prefix: `${name}/`, date })) };
}

function packages() {
  const { version, description } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const date = sourceDate();
  const architectures = ARCHITECTURES.filter((arch) => Object.values(builtFor(arch)).every((file) => existsSync(file)));
  if (architectures.length === 0) throw new BuildError("nothing has been built: run `npm run build` first");
  const [manuals, completions] = [contents("dist/share/man"), contents("dist/share/completions")];
  const made = architectures.flatMap((arch) => {
    const { executable, init } = builtFor(arch);
    const one = {
      ...{ arch, version, description, date, manuals, completions, licences: licenceFiles(arch) },
      ...{ executable: readFileSync(executable), init: readFileSync(init) },
    };
    return [archive(one), debianPackage(one), platformPackage(one)];
  });
  const all = { version, date, architectures };
  return [...made, mainPackage(all), billOfMaterials(all)];
}

function write(out) {
  const made = packages().sort((one, other) => (one.name < other.name ? -1 : 1));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const sums = made.map(({ name, content }) => {
    writeFileSync(join(out, name), content);
    console.log(`  ${name}: ${showSize(join(out, name))}`);
    return `${createHash("sha256").update(content).digest("hex")}  ${name}\n`;
  });
  writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
}

try {
  const { values } = parseArgs({ options: { out: { type: "string" } } });
  write(resolve(values.out ?? join(ROOT, "dist/packages")));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`package: ${error.message}`);
  process.exitCode = 1;
}
