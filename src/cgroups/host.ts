import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";

/** What the compilation may ask the host. Every method answers, none throws: absent and unreadable are the same. */
export interface HostFiles {
  /** The file's text, undefined if it cannot be read. */
  readonly read: (path: string) => string | undefined;
  readonly exists: (path: string) => boolean;
  /** Names of the directories in a directory. */
  readonly directories: (path: string) => readonly string[];
  /** Whether the path is on a cgroup2 file system. */
  readonly isCgroup2: (path: string) => boolean;
  /** Whether this process may create entries in a directory. */
  readonly writable: (path: string) => boolean;
}

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2_MAGIC = 0x63677270;

function attempt<T>(action: () => T, otherwise: T): T {
  try {
    return action();
  } catch {
    return otherwise;
  }
}

/** The machine this process runs on. */
export const HOST: HostFiles = {
  read: (path) => attempt(() => readFileSync(path, "utf8"), undefined),
  exists: existsSync,
  directories: (path) =>
    attempt(
      () =>
        readdirSync(path, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => entry.name),
      [],
    ),
  isCgroup2: (path) => attempt(() => statfsSync(path).type === CGROUP2_MAGIC, false),
  writable: (path) =>
    attempt(() => {
      accessSync(path, constants.W_OK | constants.X_OK);
      return true;
    }, false),
};
