import { expect, test } from "bun:test";
import type { Hierarchy } from "../../src/cgroups/facts.ts";
import { between, cgroupDirectory } from "../../src/cgroups/paths.ts";

function at(own: string, root = "/"): Hierarchy {
  return { controllers: ["memory"], mount: "/m", root, own, noPrefix: false };
}

const CASES: readonly (readonly [string, string | undefined, Hierarchy, "v1" | "v2" | "hybrid", string])[] = [
  ["absolute is from the mount point", "/pod/c", at("/own"), "v1", "/m/pod/c"],
  ["relative is below the own cgroup on v1", "pod/c", at("/own"), "v1", "/m/own/pod/c"],
  ["relative is beside the own cgroup on v2", "pod/c", at("/a/own"), "v2", "/m/a/pod/c"],
  ["absent is the id on v1", undefined, at("/own"), "v1", "/m/own/id"],
  ["absent is the id on v2", undefined, at("/own"), "v2", "/m/id"],
  ["empty is absent", "", at("/"), "v2", "/m/id"],
  ["hybrid's cgroup2 starts at the mount point", undefined, at("/own"), "hybrid", "/m/id"],
  ["dots do not escape an absolute path", "/../../etc", at("/own"), "v1", "/m/etc"],
  ["dots do not escape a relative path", "../../../etc", at("/own"), "v1", "/m/own/etc"],
  ["a bind-mounted cgroup is what the own path is relative to", "c", at("/docker/x/y", "/docker/x"), "v1", "/m/y/c"],
  ["an own cgroup outside of what is mounted", "c", at("/else", "/docker/x"), "v1", "/m/c"],
  ["a sibling with the same prefix is outside", "c", at("/docker/xyz", "/docker/x"), "v1", "/m/c"],
  ["above a cgroup namespace", "c", at("/../../other"), "v2", "/m/c"],
  ["a mount from above a cgroup namespace", "c", at("/own", "/../.."), "v1", "/m/own/c"],
  ["trailing slashes go", "/pod/c/", at("/"), "v1", "/m/pod/c"],
  ["the root itself", "/..", at("/own"), "v2", "/m"],
];

for (const [name, cgroupsPath, hierarchy, layout, expected] of CASES) {
  test(name, () => expect(cgroupDirectory(hierarchy, { id: "id", cgroupsPath }, layout)).toBe(expected));
}

test("the directories between a mount point and a cgroup", () => {
  expect(between("/m", "/m/a/b/c")).toEqual(["/m/a", "/m/a/b"]);
  expect(between("/m", "/m/a")).toEqual([]);
});
