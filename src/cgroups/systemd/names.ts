/** Names of units, and where in the cgroup tree systemd puts them (systemd.unit(5), systemd.slice(5)). */
import { TsruncError } from "../../errors.ts";

/** The unit of a container. */
export interface Unit {
  /** With its suffix `.scope`. */
  readonly name: string;
  /** The slice that it is in, with its suffix. */
  readonly slice: string;
}

const AT = "/linux/cgroupsPath";
const PREFIX = "tsrunc";
/** UNIT_NAME_MAX of systemd, without the final NUL. */
const NAME_MAX = 255;

/**
 * Reads `linux.cgroupsPath` as `slice:prefix:name`, as runc does; an empty slice stands for the manager's default.
 * Without a path the unit is named after the container.
 */
export function parseUnit(
  input: { readonly id: string; readonly cgroupsPath?: string | undefined },
  defaultSlice: string,
): Unit {
  const path = input.cgroupsPath ?? "";
  if (path === "") return { name: checked(`${PREFIX}-${escapeName(input.id)}.scope`), slice: defaultSlice };
  const parts = path.split(":");
  const [slice = "", prefix = "", name = ""] = parts;
  if (parts.length !== 3 || name === "") {
    throw invalid(
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "${path}" instead`,
    );
  }
  if (name.endsWith(".slice")) {
    const hint = "leave the suffix away, and the container gets a scope in the slice named first";
    throw invalid(`\`${name}\` names a slice, which takes no processes`, hint);
  }
  return { name: checked(`${prefix}-${name}.scope`), slice: slice === "" ? defaultSlice : checked(slice) };
}

/** `a-b.slice` lies in `a.slice`: its path is `/a.slice/a-b.slice`; the root slice `-.slice` is "". */
export function slicePath(slice: string): string {
  const stem = slice.endsWith(".slice") ? slice.slice(0, -".slice".length) : "";
  if (stem === "-") return "";
  const parts = stem.split("-");
  if (stem.includes("/") || parts.includes("")) throw invalid(`invalid slice name \`${slice}\``);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}

/** What a container's id may have and a unit's name may not, in systemd's own notation (systemd-escape(1)). */
function escapeName(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9:_.\\-]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function checked(name: string): string {
  if (name.length > NAME_MAX) throw invalid(`unit name \`${name}\` is longer than ${NAME_MAX} characters`);
  if (!/^[A-Za-z0-9:_.\\-]+$/.test(name)) throw invalid(`\`${name}\` is no valid name of a systemd unit`);
  return name;
}

function invalid(message: string, hint?: string): TsruncError {
  return new TsruncError("config", message, { at: AT, hint });
}
