/**
 * Archives that are the same bytes for the same content, whoever makes them and where: tar (ustar) and ar, written here,
 * since the tools' own have a dozen options for that, and different ones.
 */
import { spawnSync } from "node:child_process";
import { BuildError } from "../tools.mjs";

/** Files by their paths: `{ content, mode }`; directories follow from them. */
export function directoriesOf(files) {
  const found = new Set();
  for (const path of Object.keys(files)) {
    const parts = path.split("/");
    for (let i = 1; i < parts.length; i++) found.add(parts.slice(0, i).join("/"));
  }
  return [...found].sort();
}

/** A tar archive of files, below `prefix`, all of root and of one date. */
export function tar(files, { prefix = "", date }) {
  const seconds = Math.floor(date.getTime() / 1000);
  const entries = [
    ...directoriesOf(files).map((path) => ({ path: `${path}/`, mode: 0o755, type: "5", content: Buffer.alloc(0) })),
    ...Object.entries(files).map(([path, { content, mode = 0o644 }]) => ({ path, mode, type: "0", content })),
  ].sort((one, other) => (one.path < other.path ? -1 : 1));
  const root = prefix === "" ? [] : [{ path: "", mode: 0o755, type: "5", content: Buffer.alloc(0) }];
  const blocks = [...root, ...entries].flatMap(({ path, mode, type, content }) => {
    const bytes = Buffer.from(content);
    return [header(prefix + path, { mode, type, size: bytes.length, seconds }), bytes, padding(bytes.length, 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** One block, as POSIX.1-1988 has it. */
function header(path, { mode, type, size, seconds }) {
  const block = Buffer.alloc(512);
  const [prefix, name] = split(path);
  const octal = (value, length) => `${value.toString(8).padStart(length - 1, "0")}\0`;
  block.write(name, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(seconds, 12), 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  block.write("root", 265);
  block.write("root", 297);
  block.write(octal(0, 8), 329);
  block.write(octal(0, 8), 337);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A long path has its beginning in a field of its own. */
function split(path) {
  if (Buffer.byteLength(path) <= 100) return ["", path];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100 && name !== "") return [prefix, name];
  }
  throw new BuildError(`the path \`${path}\` is too long for an archive`);
}

function padding(size, unit) {
  return Buffer.alloc((unit - (size % unit)) % unit);
}

/** An ar archive of members in their order, as dpkg wants it. */
export function ar(members, { date }) {
  const seconds = Math.floor(date.getTime() / 1000);
  const parts = Object.entries(members).flatMap(([name, content]) => {
    const head = `${name.padEnd(16)}${`${seconds}`.padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}`;
    return [
      Buffer.from(`${head}${`${content.length}`.padEnd(10)}\`\n`),
      content,
      Buffer.from(content.length % 2 === 0 ? "" : "\n"),
    ];
  });
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}

/** Compressed by one thread: several make other blocks. */
export function xz(bytes) {
  return filter("xz", ["-9e", "-T1", "--check=crc64", "-c"], bytes);
}

export function gzip(bytes) {
  return filter("gzip", ["-9nc"], bytes);
}

function filter(command, args, input) {
  const { status, stdout, error, stderr } = spawnSync(command, args, { input, maxBuffer: 1 << 28 });
  if (error !== undefined || status !== 0) throw new BuildError(`${command}: ${error?.message ?? stderr}`);
  return stdout;
}
