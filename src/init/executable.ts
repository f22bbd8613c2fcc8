/** Where tsrunc-init is executed from: always a private, sealed copy, never a file of the host (CVE-2019-5736). */
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import { TsruncError } from "../errors.ts";
import { addSeals, memfdCreate } from "../sys/sys.ts";

export interface InitSource {
  /** A sealed memfd that the front of the standalone executable made before anything else ran. */
  readonly initFd?: number | undefined;
}

let made: number | undefined;

/** A path to execute tsrunc-init by. @throws TsruncError `io` */
export function initPath({ initFd }: InitSource): string {
  if (initFd !== undefined) return `/proc/self/fd/${initFd}`;
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
  throw new TsruncError("io", "tsrunc-init was not found beside this program", {
    hint: "build it with `npm run build`",
  });
}
