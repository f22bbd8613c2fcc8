/** What the executable is made of, and under which licences. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SOURCE, VERSION } from "../quickjs.mjs";
import { toolchainFor } from "../toolchain.mjs";
import { BuildError, ROOT } from "../tools.mjs";

const LIBRARIES = {
  musl: { name: "musl", licence: "MIT", packages: ["musl-dev", "musl"] },
  glibc: { name: "glibc", licence: "LGPL-2.1-or-later", packages: ["libc6-dev", "libc6"] },
};

/** The C library that is linked into an architecture's programs, of the version that this machine has. */
export function libraryOf(arch) {
  const library = toolchainFor(arch).compiler.endsWith("musl-gcc") ? LIBRARIES.musl : LIBRARIES.glibc;
  const query = ["-W", "-f", `\${source:Upstream-Version}\n`, library.packages[0]];
  const { stdout } = spawnSync("dpkg-query", query, { encoding: "utf8" });
  return { ...library, version: stdout?.trim() || "unknown" };
}

function text(file) {
  if (!existsSync(file)) throw new BuildError(`there is no licence text \`${file}\``);
  return readFileSync(file, "utf8");
}

/** Debian's packages bring the licence along. */
function libraryLicence({ name, packages }) {
  const found = packages.map((one) => `/usr/share/doc/${one}/copyright`).find((file) => existsSync(file));
  if (found === undefined) throw new BuildError(`the licence of ${name} is not in /usr/share/doc`);
  return text(found);
}

/** Licence texts by the names of their files. */
export function licenceFiles(arch) {
  const library = libraryOf(arch);
  return {
    LICENSE: text(join(ROOT, "LICENSE")),
    "LICENSE.quickjs-ng": `The JavaScript engine in the executable is quickjs-ng ${VERSION}.\n\n${text(join(SOURCE, "LICENSE"))}`,
    [`LICENSE.${library.name}`]: `The C library in the executable is ${library.name}.\n\n${libraryLicence(library)}`,
  };
}

/** debian/copyright in its machine-readable form. */
export function debianCopyright(arch) {
  const library = libraryOf(arch);
  const indented = (body) =>
    body
      .trimEnd()
      .split("\n")
      .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
      .join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tsrunc
Comment: The executable is linked with quickjs-ng and ${library.name}, whose licences follow.

Files: *
Copyright: the authors of tsrunc
License: Apache-2.0

Files: quickjs/*
Copyright: the authors of quickjs-ng
License: Expat
${indented(text(join(SOURCE, "LICENSE")))}

Files: libc/*
Copyright: the authors of ${library.name}
License: ${library.licence}
${indented(libraryLicence(library))}

License: Apache-2.0
 On Debian systems the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.
`;
}
