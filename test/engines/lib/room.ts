/**
 * A private mount namespace for an engine and all it starts: a /run with nothing but systemd's and D-Bus' sockets, and under
 * cgroup v1 a /sys/fs/cgroup in which podman may make directories for controllers that are not mounted.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { sleep } from "./run.ts";
import { subdirectory, TAG } from "./workspace.ts";

export interface Room {
  /** Pid of the process that keeps the namespace. */
  readonly pid: number;
  /** How a path inside looks from outside. */
  readonly outside: (inside: string) => string;
  /** The command line that runs `argv` inside. */
  readonly inside: (argv: readonly string[]) => string[];
  readonly close: () => Promise<void>;
}

const SETUP = `
set -eu
for each in systemd dbus; do
  [ -d "/run/$each" ] || continue
  mkdir -p "$STAGE/run/$each"
  mount --bind "/run/$each" "$STAGE/run/$each"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/lock
for each in "$STAGE"/run/*; do
  [ -d "$each" ] || continue
  mkdir "/run/\${each##*/}"
  mount --move "$each" "/run/\${each##*/}"
done
# Docker that sees AppArmor runs nothing without its parser.
if mountpoint -q /sys/kernel/security && ! command -v apparmor_parser >/dev/null; then umount /sys/kernel/security; fi
if [ "$(stat -f -c %T /sys/fs/cgroup)" = tmpfs ]; then
  mount -t tmpfs -o mode=755 tmpfs "$STAGE"
  for each in /sys/fs/cgroup/*; do
    if [ -L "$each" ]; then
      cp -a "$each" "$STAGE/"
    elif mountpoint -q "$each"; then
      mkdir "$STAGE/\${each##*/}"
      mount --bind "$each" "$STAGE/\${each##*/}"
    fi
  done
  mount --move "$STAGE" /sys/fs/cgroup
fi
for each in $FILES; do mount --bind "\${each%%:*}" "\${each#*:}"; done
mount --make-rshared /
echo ready
exec sleep infinity
`;

/** Where all that is run inside starts from. */
export function workingDirectory(): string {
  return subdirectory("cwd");
}

/** Opens a room. `files` are put in the place of files of the host: contents by absolute path. */
export async function openRoom(files: Readonly<Record<string, string>> = {}): Promise<Room> {
  const sources = Object.entries(files).map(([target, contents], index) => {
    const source = path.join(subdirectory("files"), `${index}`);
    writeFileSync(source, contents, { mode: 0o644 });
    return `${source}:${target}`;
  });
  const env = { ...process.env, ENGINE_TEST: TAG, STAGE: subdirectory("stage"), FILES: sources.join(" ") };
  const holder = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", SETUP], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  const pid = holder.pid;
  if (pid === undefined || holder.exitCode !== null) throw new Error("no private mount namespace could be made");
  return {
    pid,
    outside: (inside) => `/proc/${pid}/root${inside}`,
    inside: (argv) => ["nsenter", `--mount=/proc/${pid}/ns/mnt`, "--", "env", "-C", workingDirectory(), ...argv],
    close: async () => await end(holder),
  };
}

/** Asks a process to end, and makes it end when it does not. */
export async function end(child: ChildProcess, graceMs = 10_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const inTime = await Promise.race([gone.then(() => true), sleep(graceMs).then(() => false)]);
  if (inTime) return;
  child.kill("SIGKILL");
  await gone;
}
