import { canMake } from "../../conformance/lib/network.ts";

/** A type of network devices that this kernel can make; "" when there is none. */
export const DEVICE = ["dummy", "bridge", "ifb"].find(canMake) ?? "";
