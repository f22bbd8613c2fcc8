/** An image made from busybox, as `docker save` would write it: no registry is asked for anything. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { ok } from "./run.ts";
import { subdirectory, workspace } from "./workspace.ts";

/** Under this name all engines know the image. */
export const IMAGE = "localhost/box:latest";

/** What pods are made of. */
export const PAUSE_IMAGE = "localhost/pause:latest";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n";
const GROUP = "root:x:0:\naudio:x:29:app\napp:x:1000:\n";

function busybox(): string {
  const found = ["/bin/busybox", "/usr/bin/busybox"].find((file) => existsSync(file));
  if (found === undefined) throw new Error("no busybox found: install `busybox-static`");
  return found;
}

async function rootfs(): Promise<string> {
  const root = subdirectory("image/rootfs");
  for (const name of ["bin", "dev", "etc", "home/app", "proc", "root", "run", "sys", "tmp", "var"])
    mkdirSync(path.join(root, name), { recursive: true, mode: 0o755 });
  chmodSync(path.join(root, "tmp"), 0o1777);
  copyFileSync(busybox(), path.join(root, "bin/busybox"));
  chmodSync(path.join(root, "bin/busybox"), 0o755);
  const applets = await ok([busybox(), "--list"]);
  for (const name of applets.split("\n")) if (name !== "busybox") symlinkSync("busybox", path.join(root, "bin", name));
  writeFileSync(path.join(root, "etc/passwd"), PASSWD);
  writeFileSync(path.join(root, "etc/group"), GROUP);
  return root;
}

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

async function layerFile(): Promise<string> {
  const layer = path.join(subdirectory("image"), "layer.tar");
  if (existsSync(layer)) return layer;
  await ok(["tar", "--numeric-owner", "--owner=0", "--group=0", "-C", await rootfs(), "-cf", layer, "."]);
  return layer;
}

async function archive(name: string, tag: string, command: readonly string[]): Promise<string> {
  const target = path.join(workspace(), `${name}.tar`);
  if (existsSync(target)) return target;
  const layer = await layerFile();
  const config = JSON.stringify({
    created: "2024-01-01T00:00:00Z",
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin", "FROM_IMAGE=yes"], Cmd: command, WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest(layer)}`] },
    history: [{ created: "2024-01-01T00:00:00Z", created_by: "busybox" }],
  });
  const parts = subdirectory(`image/${name}`);
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  const manifest = [{ Config: configName, RepoTags: [tag], Layers: ["layer.tar"] }];
  copyFileSync(layer, path.join(parts, "layer.tar"));
  writeFileSync(path.join(parts, configName), config);
  writeFileSync(path.join(parts, "manifest.json"), JSON.stringify(manifest));
  await ok(["tar", "-C", parts, "-cf", target, ...readdirSync(parts)]);
  return target;
}

/** Writes the image's archive and returns its path. */
export async function makeImage(): Promise<string> {
  return await archive("box", IMAGE, ["/bin/sh"]);
}

/** The image that keeps a pod's namespaces: it only waits. */
export async function makePauseImage(): Promise<string> {
  return await archive("pause", PAUSE_IMAGE, ["/bin/sleep", "infinity"]);
}
