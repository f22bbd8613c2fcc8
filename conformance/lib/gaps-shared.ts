/** Rows that several runtimes have, but for the version. */
import type { Gap } from "./gaps.ts";

export const NET_DEVICES: Gap = {
  why: "netDevices are of runtime-spec 1.3",
  tests: [
    "a veth device moves *",
    "a dummy device moves *",
    "a veth device goes *",
    "a dummy device goes *",
    "a device that was down *",
    "a name with %d is made unique by the kernel",
    "two devices can exchange their names",
    "a device goes past one of its name *",
    "a container with a user namespace gets the device too",
  ],
};
