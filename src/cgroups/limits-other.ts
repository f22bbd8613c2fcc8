import { TsruncError } from "../errors.ts";
import type { Resources } from "../spec/types.ts";
import { pidsMax } from "./convert.ts";
import { type LimitContext, put, refuseOnV2, token } from "./limits.ts";

/** pids, hugetlb and rdma: the same files on v1 and v2, but for hugetlb's suffix. */
export function common(context: LimitContext, suffix: "limit_in_bytes" | "max"): void {
  const { pids, hugepageLimits, rdma } = context.resources;
  if (pids?.limit !== undefined) put(context, "/pids/limit", "pids.max", pidsMax(pids.limit));
  hugepageLimits?.forEach(({ pageSize, limit }, i) => {
    const field = `/hugepageLimits/${i}`;
    checkPageSize(context, pageSize, `${context.base}${field}/pageSize`);
    put(context, field, `hugetlb.${pageSize}.${suffix}`, limit);
    // The limit on reservations came with 5.7.
    put(context, field, `hugetlb.${pageSize}.rsvd.${suffix}`, limit, ["ENOENT"]);
  });
  for (const [device, limit] of Object.entries(rdma ?? {})) {
    const handles = limit.hcaHandles === undefined ? "" : ` hca_handle=${limit.hcaHandles}`;
    const objects = limit.hcaObjects === undefined ? "" : ` hca_object=${limit.hcaObjects}`;
    put(context, `/rdma/${token(device)}`, "rdma.max", `${plain(device, context)}${handles}${objects}`);
  }
}

/** net_cls and net_prio of cgroup v1. */
export function networkV1(context: LimitContext): void {
  const { network } = context.resources;
  if (network?.classID) put(context, "/network/classID", "net_cls.classid", network.classID);
  network?.priorities?.forEach(({ name, priority }, i) => {
    put(context, `/network/priorities/${i}`, "net_prio.ifpriomap", `${plain(name, context)} ${priority}`);
  });
}

export function networkV2(context: LimitContext): void {
  const { network } = context.resources;
  refuseOnV2(context, "/network/classID", Boolean(network?.classID));
  refuseOnV2(context, "/network/priorities", (network?.priorities?.length ?? 0) > 0);
}

/** Fails if `unified` is used where there is no cgroup v2. */
export function refuseUnified(resources: Resources, base: string): void {
  if (Object.keys(resources.unified ?? {}).length === 0) return;
  throw new TsruncError("config", "invalid configuration: cannot use unified on cgroup v1", { at: `${base}/unified` });
}

/** `unified`: files of the container's cgroup, written last, line by line. */
export function unifiedV2(context: LimitContext): void {
  for (const [file, value] of Object.entries(context.resources.unified ?? {})) {
    const field = `/unified/${token(file)}`;
    checkUnified(file, value, context.base + field);
    // Files such as io.max take one line per write(2).
    const lines = value.split("\n").filter((line, i) => line !== "" || i === 0);
    for (const line of lines) put(context, field, file, line);
  }
}

function checkUnified(file: string, value: string, at: string): void {
  const fail = (message: string) => {
    throw new TsruncError("config", `unified resource \`${file}\` ${message}`, { at });
  };
  if (file.includes("/")) fail("must be a file name (no slashes)");
  if (!/^[a-z0-9_]+(\.[A-Za-z0-9_-]+)+$/.test(file)) fail("must be in the form CONTROLLER.PARAMETER");
  if (/[\u0000-\u0008]/.test(value)) fail("has a value with control characters");
}

/** A name that goes into a line of a cgroup file. */
function plain(name: string, context: LimitContext): string {
  if (/^[^\s\u0000-\u001f]+$/.test(name)) return name;
  throw new TsruncError("config", `\`${JSON.stringify(name).slice(1, -1)}\` is not a device name`, {
    at: context.base,
  });
}

function checkPageSize(context: LimitContext, pageSize: string, at: string): void {
  const known = context.host.directories("/sys/kernel/mm/hugepages").flatMap(sizeName);
  // Without a sysfs to ask, the write itself tells.
  if (known.length === 0 || known.includes(pageSize)) return;
  throw new TsruncError("unsupported", `huge page size \`${pageSize}\` is not known to the kernel`, {
    at,
    hint: `known are ${known.sort().join(", ")}`,
  });
}

/** `hugepages-2048kB` as the hugetlb controller writes it: `2MB`. */
export function sizeName(directory: string): readonly string[] {
  const digits = /^hugepages-(\d+)kB$/.exec(directory)?.[1];
  if (digits === undefined) return [];
  const size = Number(digits);
  if (size >= 1 << 20) return [`${size >> 20}GB`];
  return [size >= 1 << 10 ? `${size >> 10}MB` : `${size}KB`];
}
