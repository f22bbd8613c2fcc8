/** Where the kernel's resource control file system is (Documentation/filesystems/resctrl.rst). */
import { unescapeOctal } from "../cgroups/facts.ts";
import type { HostFiles } from "../cgroups/host.ts";

const USUAL = "/sys/fs/resctrl";

/**
 * The mount point of resctrl in the runtime's mount namespace (proc_pid_mountinfo(5)); of several, where one expects it.
 * A mount of a part of it does not count: groups are made at its root.
 */
export function resctrlMount(host: Pick<HostFiles, "read">): string | undefined {
  const text = host.read("/proc/self/mountinfo") ?? "";
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const end = line.indexOf(" - resctrl ");
    if (end < 0) continue;
    const [, , , root, mount] = line.slice(0, end).split(" ");
    if (root === "/" && mount !== undefined) found.push(unescapeOctal(mount));
  }
  return found.includes(USUAL) ? USUAL : found[0];
}
