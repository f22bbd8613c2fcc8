import type { BlockIOResources, ThrottleDevice } from "../spec/types.ts";
import { blkioToIoWeight } from "./convert.ts";
import { type LimitContext, put, refuseOnV2 } from "./limits.ts";

export const THROTTLES = [
  ["throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"],
  ["throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"],
  ["throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"],
  ["throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"],
] as const;

/** The blkio controller of cgroup v1. */
export function blkioV1(context: LimitContext, io: BlockIOResources): void {
  const set = (field: string, file: string, value: string | number) => put(context, `/blockIO/${field}`, file, value);
  const devices = io.weightDevice ?? [];
  const weights = Boolean(io.weight) || devices.some((device) => device.weight);
  // The CFQ scheduler and its blkio.weight left in 5.0; kernels patched to keep the name have it in every cgroup.
  const weight = weights && hasOldName(context) ? "blkio.weight" : "blkio.bfq.weight";
  if (io.weight) set("weight", weight, io.weight);
  if (io.leafWeight) set("leafWeight", "blkio.leaf_weight", io.leafWeight);
  devices.forEach((device, i) => {
    const number = `${device.major}:${device.minor}`;
    if (device.weight) set(`weightDevice/${i}/weight`, `${weight}_device`, `${number} ${device.weight}`);
    if (device.leafWeight) {
      set(`weightDevice/${i}/leafWeight`, "blkio.leaf_weight_device", `${number} ${device.leafWeight}`);
    }
  });
  for (const [field, file] of THROTTLES) {
    each(io[field], (device, i) => set(`${field}/${i}`, file, `${device.major}:${device.minor} ${device.rate}`));
  }
}

/** The io controller of cgroup v2. */
export function ioV2(context: LimitContext, io: BlockIOResources): void {
  refuseOnV2(context, "/blockIO/leafWeight", Boolean(io.leafWeight));
  if (io.weight) weightV2(context, "weight", "", io.weight);
  (io.weightDevice ?? []).forEach((device, i) => {
    refuseOnV2(context, `/blockIO/weightDevice/${i}/leafWeight`, Boolean(device.leafWeight));
    if (device.weight) weightV2(context, `weightDevice/${i}`, `${device.major}:${device.minor} `, device.weight);
  });
  for (const [field, , key] of THROTTLES) {
    each(io[field], (device, i) =>
      put(context, `/blockIO/${field}/${i}`, "io.max", `${device.major}:${device.minor} ${key}=${device.rate}`),
    );
  }
}

/**
 * A weight goes to the BFQ scheduler in its own scale and to the io.cost controller in that of v2. Neither file
 * is in the root cgroup, where alone one can look beforehand, but io.cost shows itself there by io.cost.qos.
 */
function weightV2(context: LimitContext, field: string, device: string, weight: number): void {
  const cost = context.host.exists(`${context.mount("io")}/io.cost.qos`);
  put(context, `/blockIO/${field}`, "io.bfq.weight", `${device}${weight}`, cost ? ["ENOENT"] : []);
  if (cost) put(context, `/blockIO/${field}`, "io.weight", `${device}${(context.ioWeight ?? blkioToIoWeight)(weight)}`);
}

function hasOldName(context: LimitContext): boolean {
  const directory = context.directory("blkio", `${context.base}/blockIO/weight`);
  return context.host.exists(`${directory}/blkio.weight`);
}

function each(devices: readonly ThrottleDevice[] | undefined, put: (device: ThrottleDevice, i: number) => void): void {
  devices?.forEach(put);
}
