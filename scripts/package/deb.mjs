/** The Debian package of an architecture. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../tools.mjs";
import { ar, directoriesOf, gzip, tar, xz } from "./archive.mjs";
import { debianCopyright } from "./licences.mjs";

const ARCHITECTURES = { x86_64: "amd64", aarch64: "arm64", riscv64: "riscv64", ppc64le: "ppc64el", s390x: "s390x" };
/** Whoever gives packages out under a name says so as dpkg's own tools want it. */
const MAINTAINER = `${process.env.DEBFULLNAME || "The tsrunc developers"} <${process.env.DEBEMAIL || "tsrunc@packages.invalid"}>`;

/** @returns the file's name and its bytes */
export function debianPackage({ arch, version, description, date, executable, manuals, completions }) {
  const files = {
    "usr/bin/tsrunc": { content: executable, mode: 0o755 },
    ...Object.fromEntries(
      Object.entries(manuals).map(([name, content]) => [`usr/share/man/man8/${name}.gz`, { content: gzip(content) }]),
    ),
    "usr/share/bash-completion/completions/tsrunc": { content: completions["tsrunc.bash"] },
    "usr/share/zsh/vendor-completions/_tsrunc": { content: completions._tsrunc },
    "usr/share/fish/vendor_completions.d/tsrunc.fish": { content: completions["tsrunc.fish"] },
    "usr/share/doc/tsrunc/copyright": { content: debianCopyright(arch) },
    "usr/share/doc/tsrunc/changelog.gz": { content: gzip(readFileSync(join(ROOT, "CHANGELOG.md"))) },
    "usr/share/doc/tsrunc/changelog.Debian.gz": { content: gzip(Buffer.from(changelog(version, date))) },
    "usr/share/lintian/overrides/tsrunc": { content: OVERRIDES },
  };
  const control = {
    control: { content: controlFile({ arch, version, description, files }) },
    md5sums: { content: sums(files) },
  };
  const data = tar(files, { prefix: "./", date });
  const members = {
    "debian-binary": Buffer.from("2.0\n"),
    "control.tar.xz": xz(tar(control, { prefix: "./", date })),
    "data.tar.xz": xz(data),
  };
  return { name: `tsrunc_${version}-1_${ARCHITECTURES[arch]}.deb`, content: ar(members, { date }) };
}

/** It is one static program, so that it runs where a container's host has nothing else, and its heap is at a fixed address. */
const OVERRIDES = `# A runtime that needs no library works on hosts without any, and starts in half a millisecond.
tsrunc: statically-linked-binary
# The JavaScript heap in the executable has pointers, and is loaded where they lead.
tsrunc: hardening-no-pie
`;

function controlFile({ arch, version, description, files }) {
  // In KiB, as dpkg-gencontrol counts: each file rounded up, a directory as one.
  const size = Object.values(files).reduce((sum, { content }) => sum + Math.ceil(content.length / 1024), 0);
  return `Package: tsrunc
Version: ${version}-1
Architecture: ${ARCHITECTURES[arch]}
Maintainer: ${MAINTAINER}
Installed-Size: ${size + directoriesOf(files).length}
Section: admin
Priority: optional
Description: ${description.replace(/^A /, "")}
 tsrunc takes a bundle, which is a config.json and a root file system, and takes
 a container through create, start, kill and delete, as runc and crun do.
 Engines such as containerd, Docker and Podman call it.
`;
}

function sums(files) {
  return Object.entries(files)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, { content }]) => `${createHash("md5").update(content).digest("hex")}  ${path}\n`)
    .join("");
}

function changelog(version, date) {
  const stamp = date.toUTCString().replace("GMT", "+0000");
  return `tsrunc (${version}-1) unstable; urgency=medium

  * Version ${version}: what is new is in changelog.gz.

 -- ${MAINTAINER}  ${stamp}
`;
}
