/** Where tsrunc-init is executed from: always a private, sealed copy, never a file of the host (CVE-2019-5736). */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { TsruncError } from "../errors.ts";
import { errnoName, errnoPhrase } from "../sys/errno.ts";
import { addSeals, memfdCreate } from "../sys/sys.ts";

export interface InitSource {
  /** A sealed memfd that the front of the standalone executable made before anything else ran. */
  readonly initFd?: number | undefined;
  /** Why it could not. */
  readonly initErrno?: number | undefined;
}

let made: number | undefined;

/** A path to execute tsrunc-init by. @throws TsruncError `io` */
export function initPath({ initFd, initErrno }: InitSource): string {
  if (initFd !== undefined) return `/proc/self/fd/${initFd}`;
  if (initErrno !== undefined) throw noMemory("tsrunc-init", errnoName(initErrno));
  made ??= sealedCopy();
  return `/proc/self/fd/${made}`;
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
