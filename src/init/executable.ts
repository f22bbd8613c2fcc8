/** Where tsrunc-init is executed from: always a private, sealed copy, never a file of the host (CVE-2019-5736). */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { TsruncError } from "../errors.ts";
import { isStandalone } from "../host.ts";
import { errnoName, errnoPhrase } from "../sys/errno.ts";
import { host } from "../sys/quickjs/host.ts";
import { addSeals, memfdCreate } from "../sys/sys.ts";

let made: number | undefined;

/** A path to execute tsrunc-init by. The copy is made when it is wanted, and once. @throws TsruncError `io` */
export function initPath(): string {
  made ??= isStandalone() ? embeddedCopy() : sealedCopy();
  return `/proc/self/fd/${made}`;
}

/** Of the image in the executable: native/engine/front.c. */
function embeddedCopy(): number {
  const fd = host.copyInit();
  if (fd < 0) throw noMemory("tsrunc-init", errnoName(-fd));
  return fd;
}

function sealedCopy(): number {
  const image = readImage();
  const fd = memfdCreate("tsrunc-init");
  fs.writeSync(fd, image);
  addSeals(fd);
  return fd;
}

/** For what is put into a memfd. */
export function noMemory(what: string, errno: string, cause?: unknown): TsruncError {
  return new TsruncError("io", `put ${what} into memory: ${errnoPhrase(errno)}`, {
    ...{ errno, cause, hint: HINTS[errno] },
  });
}

const HINTS: Readonly<Record<string, string>> = {
  EFBIG: "the limit on the size of files (RLIMIT_FSIZE, `LimitFSIZE=`) counts for memory files too",
  EMFILE: "the limit on open files (RLIMIT_NOFILE, `LimitNOFILE=`) is too low",
  EACCES: "`vm.memfd_noexec` forbids executable memory files, and no file system takes an unnamed file instead",
};

/** The build puts it at dist/native/, beside dist/cli.js and dist/lib/. */
function readImage(): Buffer {
  const tried = [
    "./native/tsrunc-init",
    "../native/tsrunc-init",
    "../../native/tsrunc-init",
    "../../dist/native/tsrunc-init",
  ];
  for (const relative of tried) {
    try {
      return fs.readFileSync(fileURLToPath(new URL(relative, import.meta.url)));
    } catch {
      // the next place: which one it is depends on how this file was built
    }
  }
  return platformImage();
}

/** Installed from npm, it is in the package of the architecture. */
function platformImage(): Buffer {
  const name = `@tsrunc/linux-${process.arch}`;
  try {
    return fs.readFileSync(createRequire(import.meta.url).resolve(`${name}/tsrunc-init`));
  } catch {
    throw new TsruncError("io", "tsrunc-init was not found beside this program", {
      hint: `build it with \`npm run build\`, or install the package \`${name}\``,
    });
  }
}
