/** Who makes the cgroups: as Docker and podman choose by themselves, systemd where it runs on one unified hierarchy. */
import { existsSync } from "node:fs";
import { TAG } from "./workspace.ts";

/** Whether the machine has cgroup v2 only. */
export const V2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

export const CGROUP_MANAGER = V2 && existsSync("/run/systemd/private") ? "systemd" : "cgroupfs";

/** What `--cgroup-parent` takes: the run's own. */
export const CGROUP_PARENT = CGROUP_MANAGER === "systemd" ? `${TAG}.slice` : `/${TAG}`;
