/** The npm packages: one for each architecture, and the one that people ask for. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../tools.mjs";
import { gzip, tar } from "./archive.mjs";

/** As Node calls them in `process.arch`. */
const ARCHITECTURES = { x86_64: "x64", aarch64: "arm64", riscv64: "riscv64", ppc64le: "ppc64", s390x: "s390x" };

const json = (value) => ({ content: `${JSON.stringify(value, null, 2)}\n` });

function packed(name, version, files, date) {
  const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  return { name: file, content: gzip(tar(files, { prefix: "package/", date })) };
}

export function platformName(arch) {
  return `@tsrunc/linux-${ARCHITECTURES[arch]}`;
}

/** With the executable, and tsrunc-init by itself for the library. */
export function platformPackage({ arch, version, date, executable, init, licences }) {
  const name = platformName(arch);
  const manifest = {
    ...{ name, version, description: `The executable of tsrunc for ${arch}`, license: "Apache-2.0" },
    ...{ os: ["linux"], cpu: [ARCHITECTURES[arch]], preferUnplugged: true },
  };
  const texts = Object.entries(licences).map(([file, content]) => [file, { content }]);
  const files = {
    "package.json": json(manifest),
    tsrunc: { content: executable, mode: 0o755 },
    "tsrunc-init": { content: init, mode: 0o755 },
    ...Object.fromEntries(texts),
  };
  return packed(name, version, files, date);
}

function tree(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? tree(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}

/** The library, the command line for other machines, and what chooses between that and the executable. */
export function mainPackage({ version, date, architectures }) {
  const own = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const { name, description, license, type, engines, os, exports, dependencies } = own;
  const manifest = {
    ...{ name, version, description, license, type, engines, os, exports, dependencies },
    bin: { tsrunc: "bin/tsrunc" },
    optionalDependencies: Object.fromEntries(architectures.map((arch) => [platformName(arch), version])),
  };
  const paths = [...tree("dist/lib"), "dist/cli.js", "README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"];
  const files = Object.fromEntries(
    paths.map((path) => [
      path,
      { content: readFileSync(join(ROOT, path)), mode: statSync(join(ROOT, path)).mode & 0o111 ? 0o755 : 0o644 },
    ]),
  );
  const start = { content: readFileSync(join(ROOT, "scripts/package/start.sh")), mode: 0o755 };
  return packed(name, version, { "package.json": json(manifest), "bin/tsrunc": start, ...files }, date);
}
